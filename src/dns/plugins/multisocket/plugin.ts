import { availableParallelism } from 'node:os'
import { parseInteger } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `multisocket`: how many sockets take queries. The server reads it before it plans its listeners; nothing is left to set up. */
export const multisocket: PluginDefinition = {
  name: 'multisocket',
  repeatable: true,
  setup: () => ({ name: 'multisocket' }),
}

/** Sockets that the `multisocket` of a block asks for: as many as processors without a number; undefined without it. @throws {ConfigError} */
export function socketCount(directives: readonly Directive[]): number | undefined {
  const directive = directives.findLast(({ name }) => name === 'multisocket')
  if (directive === undefined) return undefined
  const [text, ...more] = directive.args
  const count = text === undefined ? availableParallelism() : parseInteger(text, 1, 1024)
  if (count !== undefined && more.length === 0 && directive.block === undefined) return count
  throw directiveError(directive, 'takes one number of sockets, 1 to 1024')
}
