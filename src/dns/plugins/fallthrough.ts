import { readZones } from '../corefile/arguments.ts'
import type { Directive } from '../corefile/directive.ts'
import type { DirectiveProblems } from '../corefile/problem.ts'
import { isInZone } from '../name.ts'

/** The zones that a `fallthrough` option names; the root when it names none. */
export const readFallthrough = (
  option: Directive,
  problems: DirectiveProblems,
): readonly string[] =>
  option.args.length === 0 ? ['.'] : readZones(option, option.args, problems)

/** May a name that is not known go on to the next plugin? `undefined` stands for no `fallthrough` option. */
export const fallsThrough = (zones: readonly string[] | undefined, lowerName: string): boolean =>
  zones?.some(zone => isInZone(lowerName, zone)) === true
