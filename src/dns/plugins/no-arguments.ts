import type { Directive } from '../corefile/directive.ts'
import { directiveError } from '../corefile/problem.ts'

/** Refuses arguments and braces. @throws {ConfigError} */
export function noArguments(directive: Directive): void {
  const { name, args, block } = directive
  if (args.length > 0)
    throw directiveError(directive, `takes no argument, remove '${args.join(' ')}'`)
  if (block !== undefined && block.length > 0) {
    throw directiveError(directive, `takes no options, write only '${name}'`)
  }
}
