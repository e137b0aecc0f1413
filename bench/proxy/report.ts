import { quantile } from '../measure.ts'
import type { Round } from './round.ts'

/** Rounds of one kind; `gaveUp`: one took longer than it was given, and no more were run. */
export type Rounds = { readonly rounds: readonly Round[]; readonly gaveUp: boolean }

/** Ours beside kube-proxy's shape at one size. */
export type Duel = {
  readonly contestant: string
  readonly services: number
  readonly ours: Rounds
  readonly floor: Rounds
}

/** The cost of a connection at one size, microseconds of CPU. */
export type Cost = {
  readonly contestant: string
  readonly services: number
  readonly ours: Rounds
}

type Row = { readonly name: string; readonly of: (round: Round) => number | undefined }

const rows: readonly Row[] = [
  { name: 'start → last Service reachable, ms', of: r => r.startMs },
  { name: 'longest hold of the event loop in it, ms', of: r => r.heldMs },
  { name: 'restart on rules that are right, ms', of: r => r.restartMs },
  { name: 'longest hold of the event loop in it, ms', of: r => r.restartHeldMs },
  { name: 'change → new path, p50, ms', of: r => quantile(r.changeMs, 0.5) },
  { name: 'change → new path, p99, ms', of: r => quantile(r.changeMs, 0.99) },
  { name: 'changes measured', of: r => r.changeMs.length },
  { name: '1000 changes/s: highest lag, ms', of: r => r.maxLagMs },
  { name: '1000 changes/s: CPU, %', of: r => r.cpuPercent },
  { name: 'memory of the process, MiB', of: r => r.rssMiB },
  { name: 'first packet of a connection, CPU µs', of: r => r.costUs },
  { name: 'the same without a Service, CPU µs', of: r => r.baseCostUs },
  { name: 'later packet of a connection, CPU µs', of: r => r.packetUs },
  { name: 'the same without counting traffic, CPU µs', of: r => r.uncountedPacketUs },
  { name: 'the same without a Service, CPU µs', of: r => r.basePacketUs },
]

const valuesOf = ({ rounds }: Rounds, { of }: Row): readonly number[] =>
  rounds.flatMap(round => of(round) ?? []).filter(value => !Number.isNaN(value))

/** The median, and the lowest and highest where there are several. */
function cell(values: readonly number[], gaveUp: boolean): string {
  if (values.length === 0) return gaveUp ? 'gave up' : '–'
  const [low, middle, high] = [0, 0.5, 1].map(share => quantile(values, share).toFixed(1))
  return values.length === 1 ? `${middle}` : `${middle} (${low}–${high})`
}

/** A table in Markdown. The ratio says how many times ours the floor takes. */
export function duelTable({ contestant, services, ours, floor }: Duel): string {
  const lines = rows.map(row => {
    const [a, b] = [valuesOf(ours, row), valuesOf(floor, row)]
    const ratio =
      a.length && b.length ? `${(quantile(b, 0.5) / quantile(a, 0.5)).toFixed(1)} ×` : ''
    return `| ${row.name} | ${cell(a, ours.gaveUp)} | ${cell(b, floor.gaveUp)} | ${ratio} |`
  })
  return [
    `### ${contestant}, ${services} Services × 2 endpoints`,
    '',
    "| median (lowest–highest) | ours | kube-proxy's shape | ratio |",
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n')
}

const costColumns: readonly Row[] = [
  { name: 'first packet', of: r => r.costUs },
  { name: 'to no Service', of: r => r.baseCostUs },
  { name: 'later packet', of: r => r.packetUs },
  { name: 'not counted', of: r => r.uncountedPacketUs },
  { name: 'to no Service', of: r => r.basePacketUs },
]

/**
 * A table in Markdown: does a connection cost the same however many Services there are? The ratio is to the first row of
 * the mode.
 */
export function costTable(costs: readonly Cost[]): string {
  const firstOf = (name: string) => costs.find(({ contestant }) => contestant === name) as Cost
  const median = ({ ours }: Cost) => quantile(valuesOf(ours, costColumns[0] as Row), 0.5)
  const lines = costs.map(cost => {
    const { contestant, services, ours } = cost
    const cells = costColumns.map(column => cell(valuesOf(ours, column), ours.gaveUp))
    const ratio = `${(median(cost) / median(firstOf(contestant))).toFixed(2)} ×`
    return `| ${[contestant, services, ...cells, ratio].join(' | ')} |`
  })
  const names = costColumns.map(({ name }) => name)
  return [
    '### A packet of a connection, CPU µs',
    '',
    `| ${['mode', 'Services', ...names, 'first packet, ratio'].join(' | ')} |`,
    `| ${Array(names.length + 3)
      .fill('---')
      .join(' | ')} |`,
    ...lines,
    '',
  ].join('\n')
}
