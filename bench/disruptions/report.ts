import type { NodeReport } from '../../test/helper/loaded-node.ts'

/** What was seen during one disruption. */
export type Seen = { readonly name: string; readonly report: NodeReport }

const kinds = ['tcp', 'udp', 'dns', 'cni'] as const

/** One row for each disruption. */
export function renderTable(seen: readonly Seen[]): string {
  const head = [
    'disruption',
    ...kinds.map(kind => `${kind.toUpperCase()}: failed / done (longest gap, ms)`),
    'DNS answers: agent / Service',
    'connections broken (longest pause, ms)',
    'clients themselves stood still, ms',
  ]
  return [head, head.map(() => '---'), ...seen.map(rowOf)]
    .map(cells => `| ${cells.join(' | ')} |\n`)
    .join('')
}

function rowOf({ name, report }: Seen): readonly string[] {
  const { answers, established, ownLagMs } = report
  return [
    name,
    ...kinds.map(kind => {
      const { operations, failures, longestGapMs } = report[kind]
      return `${failures.length} / ${operations} (${Math.round(longestGapMs)})`
    }),
    `${answers.agent} / ${answers.service}`,
    `${established.broken} of ${established.connections} (${Math.round(established.longestPauseMs)})`,
    String(Math.round(ownLagMs)),
  ]
}

/** Why operations failed, one line for each reason of a disruption. */
export function renderFailures(seen: readonly Seen[]): string {
  return seen
    .flatMap(({ name, report }) =>
      kinds.flatMap(kind =>
        [...Map.groupBy(report[kind].failures, ({ reason }) => reason)].map(
          ([reason, failures]) => {
            const at = failures.map(({ atMs }) => atMs)
            const span = `${Math.round(Math.min(...at))}–${Math.round(Math.max(...at))} ms`
            return `- ${name}: ${kind}: ${failures.length} × ${reason}, begun at ${span}\n`
          },
        ),
      ),
    )
    .join('')
}
