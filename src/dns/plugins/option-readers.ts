import type { Directive } from '../corefile/directive.ts'
import { DirectiveProblems } from '../corefile/problem.ts'

/** Reads one option into what is being collected. */
export type OptionReader<Draft> = (
  option: Directive,
  draft: Draft,
  problems: DirectiveProblems,
) => void

/**
 * Reads every option of a directive's braces by its reader.
 * @throws {ConfigError} with all problems: unknown options, and what the readers find.
 */
export function readOptions<Draft>(
  directive: Directive,
  draft: Draft,
  readers: Readonly<Record<string, OptionReader<Draft>>>,
  problems = new DirectiveProblems(directive.name),
): void {
  for (const option of directive.block ?? []) {
    const read = Object.hasOwn(readers, option.name) ? readers[option.name] : undefined
    if (read === undefined) problems.add(option, `unknown option, there are: ${names(readers)}`)
    else read(option, draft, problems)
  }
  problems.throwIfAny()
}

const names = (readers: object): string => Object.keys(readers).join(', ')

/** Is the number of arguments right? If not, that is a problem. */
export function hasArguments(
  option: Directive,
  count: number,
  problems: DirectiveProblems,
): boolean {
  if (option.args.length === count) return true
  const wanted = count === 0 ? 'no argument' : `${count} argument${count === 1 ? '' : 's'}`
  problems.add(option, `takes ${wanted}, not ${option.args.length}`)
  return false
}
