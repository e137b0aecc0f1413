import { Counter, Gauge, Histogram, type Metrics } from '#runtime/metrics.ts'

type Description<Label extends string> = {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly Label[]
}

/** The counter of this name; instances of a plugin in several blocks share it. */
export const counter = <Label extends string>(
  metrics: Metrics,
  { name, help, labelNames = [] }: Description<Label>,
): Counter<Label> =>
  (metrics.getSingleMetric(name) as Counter<Label> | undefined) ??
  new Counter({ name, help, labelNames: [...labelNames], registers: [metrics] })

/** As {@link counter}. */
export const gauge = <Label extends string>(
  metrics: Metrics,
  { name, help, labelNames = [] }: Description<Label>,
): Gauge<Label> =>
  (metrics.getSingleMetric(name) as Gauge<Label> | undefined) ??
  new Gauge({ name, help, labelNames: [...labelNames], registers: [metrics] })

/** As {@link counter}. `buckets` are upper bounds. */
export const histogram = <Label extends string>(
  metrics: Metrics,
  {
    name,
    help,
    labelNames = [],
    buckets,
  }: Description<Label> & { readonly buckets: readonly number[] },
): Histogram<Label> =>
  (metrics.getSingleMetric(name) as Histogram<Label> | undefined) ??
  new Histogram({
    name,
    help,
    labelNames: [...labelNames],
    buckets: [...buckets],
    registers: [metrics],
  })
