import { Counter, Gauge, Histogram, type Metrics } from '#runtime/metrics.ts'

type Definition<Label extends string> = {
  readonly name: string
  readonly help: string
  readonly labels?: readonly Label[]
}

/** One series of a metric, kept as a number: prom-client sorts and joins labels each time, which costs more than a cached answer. */
class Series<Label extends string> {
  readonly labels: Labels<Label>
  #value = 0
  #isNew = false

  constructor(labels: Labels<Label>) {
    this.labels = labels
  }

  set(value: number): void {
    this.#value = value
    this.#isNew = true
  }

  add(times = 1): void {
    this.set(this.#value + times)
  }

  /** Hands over what was set since the last time; undefined: nothing. */
  take(): number | undefined {
    if (!this.#isNew) return undefined
    const value = this.#value
    this.#value = 0
    this.#isNew = false
    return value
  }
}

type Labels<Label extends string> = Readonly<Record<Label, string>>

/** The series of one metric, by the values of their labels, always given in the same order. */
class SeriesOf<Label extends string> {
  readonly #byKey = new Map<string, Series<Label>>()

  get(labels: Labels<Label>): Series<Label> {
    const key = Object.values(labels).join('\0')
    let series = this.#byKey.get(key)
    if (series === undefined) {
      series = new Series(labels)
      this.#byKey.set(key, series)
    }
    return series
  }

  values(): Iterable<Series<Label>> {
    return this.#byKey.values()
  }
}

/** A counter whose series can be kept at hand; what they counted is there when somebody looks. */
export class QuickCounter<Label extends string> extends Counter<Label> {
  readonly #series = new SeriesOf<Label>()

  /** @param labels always in the same order. */
  series(labels: Labels<Label>): Pick<Series<Label>, 'add'> {
    return this.#series.get(labels)
  }

  override async get(): ReturnType<Counter<Label>['get']> {
    for (const series of this.#series.values()) {
      const count = series.take()
      if (count !== undefined) this.inc(series.labels, count)
    }
    return super.get()
  }
}

/** As {@link QuickCounter}, a gauge. */
export class QuickGauge<Label extends string> extends Gauge<Label> {
  readonly #series = new SeriesOf<Label>()

  /** @param labels always in the same order. */
  series(labels: Labels<Label>): Pick<Series<Label>, 'set'> {
    return this.#series.get(labels)
  }

  override async get(): ReturnType<Gauge<Label>['get']> {
    for (const series of this.#series.values()) {
      const value = series.take()
      if (value !== undefined) this.set(series.labels, value)
    }
    return super.get()
  }
}

/**
 * The counter of this name, registered when it is not there yet: plugins are set up again with every reload, their metrics go on
 * counting.
 */
export function counter<Label extends string>(
  metrics: Metrics,
  { name, help, labels = [] }: Definition<Label>,
): QuickCounter<Label> {
  const options = { name, help, labelNames: labels, registers: [metrics] }
  const known = metrics.getSingleMetric(name) as QuickCounter<Label> | undefined
  return known ?? new QuickCounter(options)
}

/** As {@link counter}, a gauge. */
export function gauge<Label extends string>(
  metrics: Metrics,
  { name, help, labels = [] }: Definition<Label>,
): QuickGauge<Label> {
  const options = { name, help, labelNames: labels, registers: [metrics] }
  const known = metrics.getSingleMetric(name) as QuickGauge<Label> | undefined
  return known ?? new QuickGauge(options)
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
