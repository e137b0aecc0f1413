import type { Directive } from '../corefile/directive.ts'
import { directiveError } from '../corefile/problem.ts'
import { type HttpAddress, parseHttpAddress } from '../http-sites.ts'

/** The address of a plugin that serves HTTP: its one argument, or `fallback`. @throws {ConfigError} */
export function httpAddressOf(directive: Directive, fallback: string): HttpAddress {
  const [text = fallback, ...more] = directive.args
  const address = parseHttpAddress(text)
  if (address === undefined || more.length > 0) {
    throw directiveError(
      directive,
      `'${directive.args.join(' ')}' is not ADDRESS:PORT, write for example ${fallback}`,
    )
  }
  return address
}
