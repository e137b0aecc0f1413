import { Counter, Gauge, type Metrics } from '#runtime/metrics.ts'
import { type OwnResources, ownResources } from './own-process.ts'

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
  registerResources(registers)
}

const resources: Readonly<
  Record<keyof OwnResources, { readonly name: string; readonly help: string }>
> = {
  openFiles: { name: 'process_open_fds', help: 'Number of open file descriptors' },
  maxOpenFiles: { name: 'process_max_fds', help: 'Maximum number of open file descriptors' },
  virtualBytes: { name: 'process_virtual_memory_bytes', help: 'Virtual memory size in bytes' },
  maxVirtualBytes: {
    name: 'process_virtual_memory_max_bytes',
    help: 'Maximum amount of virtual memory available in bytes',
  },
}

/** Read only when somebody asks for the metrics. What the process may not see of itself is left out, as by other clients. */
function registerResources(registers: Metrics[]): void {
  for (const [key, metric] of Object.entries(resources)) {
    const read = ownResources[key as keyof OwnResources]
    if (read() === undefined) continue
    new Gauge({
      ...metric,
      registers,
      collect() {
        this.set(read() ?? Number.NaN)
      },
    })
  }
}
