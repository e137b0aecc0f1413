import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Where the parts of one process register their metrics; one registry serves one `/metrics`. */
export type Metrics = Registry

export { Counter, Gauge, Histogram }

/** Metrics of the process (`process_…`, `nodejs_…`) in this registry, once however many parts ask for them. */
export function collectProcessMetrics(registry: Metrics): void {
  if (registry.getSingleMetric('process_cpu_seconds_total') !== undefined) return
  collectDefaultMetrics({ register: registry })
}

/** An empty registry. */
export const createMetrics = (): Metrics => new Registry()
