import { Counter, Gauge, Histogram, type Metrics } from '#runtime/metrics.ts'

/** What the server reports of its calls. */
export type CallMetrics = {
  answered(call: {
    readonly command: string
    readonly plugin: string
    readonly isOk: boolean
    readonly durationMs: number
  }): void
  /** So many attachments were removed because their container had gone. */
  reclaimed(count: number): void
}

/** Seconds: 1 ms doubled fifteen times. */
const BUCKETS = Array.from({ length: 16 }, (_, power) => 0.001 * 2 ** power)

/** What arrives is anybody's text; a label must not be. */
const commands = new Set(['ADD', 'CHECK', 'DEL', 'GC', 'STATUS', 'VERSION'])

/** Registers the metrics of CNI calls. @param attachments how many there are, asked when they are read. */
export function createCallMetrics(registry: Metrics, attachments: () => number): CallMetrics {
  const registers = [registry]
  const calls = new Counter({
    name: 'nodeplane_cni_calls_total',
    help: 'CNI calls answered, by command, plugin and result (ok, error)',
    labelNames: ['command', 'plugin', 'result'],
    registers,
  })
  const duration = new Histogram({
    name: 'nodeplane_cni_call_duration_seconds',
    help: 'Time from a CNI call to its answer',
    labelNames: ['command', 'plugin'],
    buckets: BUCKETS,
    registers,
  })
  const reclaimed = new Counter({
    name: 'nodeplane_cni_reclaimed_total',
    help: 'Attachments removed because their container had gone without a DEL',
    registers,
  })
  new Gauge({
    name: 'nodeplane_cni_attachments',
    help: 'Interfaces of containers that were added and not deleted',
    registers,
    collect() {
      this.set(attachments())
    },
  })
  return {
    reclaimed: count => reclaimed.inc(count),
    answered({ command: asked, plugin, isOk, durationMs }) {
      const command = commands.has(asked) ? asked : 'unknown'
      calls.inc({ command, plugin, result: isOk ? 'ok' : 'error' })
      duration.observe({ command, plugin }, durationMs / 1000)
    },
  }
}
