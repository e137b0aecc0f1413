import { parseSpan } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { LineLevel } from '../../line-log.ts'
import { parseRegex } from '../../regex.ts'

/** A rule that counts errors of one kind and tells of them once in a while. */
export type ConsolidateRule = {
  /** As written, for the summary. */
  readonly period: string
  readonly periodMs: number
  readonly pattern: RegExp
  readonly level: LineLevel
  /** Is the first error of a period logged at once? */
  readonly showFirst: boolean
}

const levels: Readonly<Record<string, LineLevel>> = {
  warning: 'WARNING',
  error: 'ERROR',
  info: 'INFO',
  debug: 'DEBUG',
}

/** The rules of an `errors` directive. @throws {ConfigError} */
export function parseErrors(directive: Directive): readonly ConsolidateRule[] {
  if (directive.args.length > 0) throw directiveError(directive, 'takes no argument')
  return (directive.block ?? []).flatMap(line => {
    // A fault of the program is always logged with its stack.
    if (line.name === 'stacktrace' && line.args.length === 0) return []
    if (line.name === 'consolidate') return [parseRule(line)]
    throw directiveError(line, `unknown option '${line.name}', there are: stacktrace, consolidate`)
  })
}

function parseRule(line: Directive): ConsolidateRule {
  const [period = '', source, ...words] = line.args
  const periodMs = parseSpan(period)
  if (periodMs === undefined || periodMs === 0) {
    throw directiveError(line, `'${period}' is no duration, write for example 5m`)
  }
  if (source === undefined) throw directiveError(line, 'needs a duration and a pattern')
  const pattern = parseRegex(source)
  if (typeof pattern === 'string') throw directiveError(line, pattern)
  const showFirst = words.at(-1) === 'show_first'
  const [level = 'error', ...more] = showFirst ? words.slice(0, -1) : words
  if (more.length > 0 || !Object.hasOwn(levels, level)) {
    throw directiveError(
      line,
      `'${words.join(' ')}' is not [warning|error|info|debug] [show_first]`,
    )
  }
  return { period, periodMs, pattern, level: levels[level] ?? 'ERROR', showFirst }
}
