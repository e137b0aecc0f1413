import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Where the parts of one process register their metrics; one registry serves one `/metrics`. */
export type Metrics = Registry

export { Counter, Gauge, Histogram }

/**
 * The `process_…` metrics of Prometheus' clients, once however many parts ask for them. Not prom-client's own set: that measures
 * the lag of the event loop with a timer that wakes an idle process a hundred times a second.
 */
export function collectProcessMetrics(registry: Metrics): void {
  if (registry.getSingleMetric('process_cpu_seconds_total') !== undefined) return
  const registers = [registry]
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time spent, in seconds',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory size in bytes',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since the epoch',
    registers,
  }).set(performance.timeOrigin / 1000)
}

/** An empty registry. */
export const createMetrics = (): Metrics => new Registry()
