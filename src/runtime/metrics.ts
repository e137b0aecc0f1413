import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Where the parts of one process register their metrics; one registry serves one `/metrics`. */
export type Metrics = Registry

export { Counter, Gauge, Histogram }

/** An empty registry. */
export const createMetrics = (): Metrics => new Registry()
