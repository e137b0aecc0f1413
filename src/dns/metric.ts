import { Counter, Gauge, Histogram, type Metrics } from '#runtime/metrics.ts'

type Definition<Label extends string> = {
  readonly name: string
  readonly help: string
  readonly labels?: readonly Label[]
}

/**
 * The counter of this name, registered when it is not there yet: plugins are set up again with every reload, their metrics go on
 * counting.
 */
export function counter<Label extends string>(
  metrics: Metrics,
  { name, help, labels = [] }: Definition<Label>,
): Counter<Label> {
  const options = { name, help, labelNames: labels, registers: [metrics] }
  return (metrics.getSingleMetric(name) as Counter<Label> | undefined) ?? new Counter(options)
}

/** As {@link counter}, a gauge. */
export function gauge<Label extends string>(
  metrics: Metrics,
  { name, help, labels = [] }: Definition<Label>,
): Gauge<Label> {
  const options = { name, help, labelNames: labels, registers: [metrics] }
  return (metrics.getSingleMetric(name) as Gauge<Label> | undefined) ?? new Gauge(options)
}

/** As {@link counter}, a histogram. */
export function histogram<Label extends string>(
  metrics: Metrics,
  { name, help, labels = [], buckets }: Definition<Label> & { readonly buckets: readonly number[] },
): Histogram<Label> {
  const options = { name, help, labelNames: labels, buckets: [...buckets], registers: [metrics] }
  return (metrics.getSingleMetric(name) as Histogram<Label> | undefined) ?? new Histogram(options)
}

/** CoreDNS's buckets for durations, in seconds: 0.25 ms doubled fifteen times. */
export const durationBuckets: readonly number[] = Array.from(
  { length: 16 },
  (_, n) => 0.00025 * 2 ** n,
)

/** CoreDNS's buckets for sizes of messages, in octets. */
// biome-ignore format: a table reads better than a column.
export const sizeBuckets: readonly number[] = [
  0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000,
]

/** An rcode as the value of a label: those without a name are `other`, or an upstream could make four thousand series. */
export const rcodeLabel = (rcode: string): string => (rcode.startsWith('RCODE') ? 'other' : rcode)
