import type { Histogram, Metrics } from '#runtime/metrics.ts'

type Labels = Readonly<Record<string, string>>

type Series = {
  readonly labels: Labels
  /** By bucket, not summed up; the last is for what is above all of them. */
  readonly counts: number[]
  sum: number
}

type Sample = { readonly metricName: string; readonly labels: object; readonly value: number }

/**
 * A histogram that takes many equal observations in one step, which prom-client's cannot. It has what a registry of prom-client
 * asks of a metric.
 */
export class WeightedHistogram {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly labelNames: readonly string[]
  readonly #buckets: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor(definition: Definition) {
    this.name = definition.name
    this.help = definition.help
    this.labelNames = definition.labels
    this.#buckets = definition.buckets
  }

  /** @param labels those of the definition, in its order. */
  observe(labels: Labels, value: number, times: number): void {
    const key = Object.values(labels).join('\0')
    let series = this.#series.get(key)
    if (series === undefined) {
      series = { labels, counts: Array.from({ length: this.#buckets.length + 1 }, () => 0), sum: 0 }
      this.#series.set(key, series)
    }
    const found = this.#buckets.findIndex(bound => value <= bound)
    const bucket = found === -1 ? this.#buckets.length : found
    series.counts[bucket] = (series.counts[bucket] ?? 0) + times
    series.sum += value * times
  }

  reset(): void {
    this.#series.clear()
  }

  async get() {
    const { name, help, type, aggregator } = this
    const values = [...this.#series.values()].flatMap(series => this.#samples(series))
    return { name, help, type, aggregator, values }
  }

  #samples({ labels, counts, sum }: Series): readonly Sample[] {
    let total = 0
    const buckets = counts.map((count, index) => {
      total += count
      const le = this.#buckets[index] ?? '+Inf'
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: total }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: total },
    ]
  }
}

type Definition = {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
}

/** The histogram of this name, registered when it is not there yet. */
export function weightedHistogram(metrics: Metrics, definition: Definition): WeightedHistogram {
  const known: unknown = metrics.getSingleMetric(definition.name)
  if (known instanceof WeightedHistogram) return known
  const histogram = new WeightedHistogram(definition)
  metrics.registerMetric(histogram as unknown as Histogram)
  return histogram
}
