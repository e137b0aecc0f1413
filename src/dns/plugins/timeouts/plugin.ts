import { parseInteger, parseSpan } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'
import type { StreamLimits } from '../../server/listener.ts'

/** `timeouts`: how long connections may take. The server reads it before it plans its listeners; nothing is left to set up. */
export const timeouts: PluginDefinition = {
  name: 'timeouts',
  repeatable: true,
  setup: () => ({ name: 'timeouts' }),
}

const MIN_MS = 1_000
const MAX_MS = 86_400_000

/** What the `timeouts` of a block say; empty without. @throws {ConfigError} */
export function streamLimits(directives: readonly Directive[]): Partial<StreamLimits> {
  const limits: { -readonly [Limit in keyof StreamLimits]?: StreamLimits[Limit] } = {}
  for (const directive of directives.filter(({ name }) => name === 'timeouts')) {
    const problems = new DirectiveProblems('timeouts')
    const { args, block = [] } = directive
    if (args.length > 0 || block.length === 0) {
      problems.add(directive, 'needs one of read, write, idle, maxtcpqueries in braces')
    }
    for (const line of block) readLimit(line, limits, problems)
    problems.throwIfAny()
  }
  return limits
}

const fields = { read: 'readMs', write: 'writeMs', idle: 'idleMs' } as const

function readLimit(
  line: Directive,
  limits: { -readonly [Limit in keyof StreamLimits]?: StreamLimits[Limit] },
  problems: DirectiveProblems,
): void {
  const [text = '', ...more] = line.args
  if (line.name === 'maxtcpqueries') {
    const count = text === '-1' ? Number.POSITIVE_INFINITY : parseInteger(text, 1, 1_000_000)
    if (count === undefined || more.length > 0)
      problems.add(line, 'needs a number, or -1 for no limit')
    else limits.maxQueries = count
    return
  }
  const field = Object.hasOwn(fields, line.name)
    ? fields[line.name as keyof typeof fields]
    : undefined
  const ms = parseSpan(text)
  if (field === undefined)
    problems.add(line, 'unknown option, there are: read, write, idle, maxtcpqueries')
  else if (ms === undefined || ms < MIN_MS || ms > MAX_MS || more.length > 0) {
    problems.add(line, 'needs one duration, 1s to 24h')
  } else limits[field] = ms
}
