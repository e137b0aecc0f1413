import { parseInteger } from '../corefile/arguments.ts'
import type { Directive } from '../corefile/directive.ts'
import { DirectiveProblems } from '../corefile/problem.ts'
import type { StreamLimits } from '../server/listener.ts'

/** Limits of listeners that speak HTTP. */
export type HttpLimits = Pick<StreamLimits, 'maxConnections' | 'maxStreams'>

const fields = { max_connections: 'maxConnections', max_streams: 'maxStreams' } as const

/** What is meant by 0, any number in CoreDNS: nothing here is without bound. */
const MOST = 65_535

/**
 * What the limits of a plugin say; empty without it.
 * @param options.names those of the options that it has.
 * @throws {ConfigError}
 */
export function readHttpLimits(
  directives: readonly Directive[],
  { plugin, names }: { readonly plugin: string; readonly names: readonly (keyof typeof fields)[] },
): HttpLimits {
  const limits: { -readonly [Limit in keyof HttpLimits]: HttpLimits[Limit] } = {}
  const problems = new DirectiveProblems(plugin)
  for (const directive of directives.filter(({ name }) => name === plugin)) {
    const { args, block = [] } = directive
    if (args.length > 0)
      problems.add(directive, `takes no argument, but ${names.join(', ')} in braces`)
    for (const line of block) {
      const name = names.find(known => known === line.name)
      const count = line.args.length === 1 ? parseInteger(line.args[0], 0, MOST) : undefined
      if (name === undefined) problems.add(line, `unknown option, there is: ${names.join(', ')}`)
      else if (count === undefined) problems.add(line, `needs a number, 0 to ${MOST}`)
      else limits[fields[name]] = count === 0 ? MOST : count
    }
  }
  problems.throwIfAny()
  return limits
}
