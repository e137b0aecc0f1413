import { findCauses } from './causes.ts'
import { clientText } from './describe.ts'
import type { Facts } from './facts.ts'
import type { CauseId, Finding } from './finding.ts'
import { formatTarget } from './target.ts'
import { type WalkStep, walk } from './walk.ts'

/** What `nodeplane why` answers; with `-o json` as it is. */
export type Report = {
  readonly target: string
  readonly from: string
  /** undefined: nothing wrong was found. */
  readonly cause?: CauseId | undefined
  /** Nearest to the client first; the first one is the cause. */
  readonly findings: readonly Finding[]
  readonly walk: readonly WalkStep[]
}

/** The report on the first of several ways (ports, families) that something is wrong with, else on the first. Pure. */
export function reportOn(ways: Ways): Report {
  const judged = ways.map(facts => ({ facts, findings: findCauses(facts) }))
  const faulty = judged.find(({ findings }) => findings.length > 0)
  const { facts, findings } = faulty ?? { facts: ways[0], findings: [] }
  return {
    target: formatTarget(facts.target),
    from: clientText(facts.client),
    cause: findings[0]?.cause,
    findings,
    walk: walk(facts, findings),
  }
}

/** At least one. */
export type Ways = readonly [Facts, ...Facts[]]

/** How texts are coloured; see the command's output helpers. */
export type Paint = {
  severity(severity: 'OK' | 'FAIL', text?: string): string
  bold(text: string): string
  /** Without control characters: names come from others. */
  printable(text: string): string
}

/** For people: the cause, what to do about it, what else is wrong, and the way. Pure. */
export function renderReport({ target, from, findings, walk }: Report, paint: Paint): string {
  const [first, ...others] = findings.map(({ message, cause, fix }) => ({
    what: paint.printable(`${message} [${cause}]`),
    fix: paint.printable(fix),
  }))
  const nothing = paint.printable(`OK: nothing wrong found between ${from} and ${target}`)
  const head =
    first === undefined
      ? [paint.bold(nothing)]
      : [paint.bold(`CAUSE: ${first.what}`), `FIX: ${first.fix}`]
  const more = others.map(({ what }) => `ALSO: ${what}`)
  return [...head, ...more, '', ...walk.flatMap(step => stepLines(step, paint)), ''].join('\n')
}

/** The state stands before the first line of a step. */
const stepLines = ({ step, state, lines }: WalkStep, paint: Paint): readonly string[] =>
  lines
    .map(line => paint.printable(line))
    .map((line, index) =>
      index === 0
        ? `${paint.severity(state, state.padEnd(4))}  ${step.padEnd(8)}  ${line}`
        : `${' '.repeat(16)}${line}`,
    )
