import type { Metrics } from '#runtime/metrics.ts'

/** One series of a metric as it is now. */
export type Sample = {
  readonly value: number
  readonly labels: Readonly<Partial<Record<string, string | number>>>
  readonly metricName?: string
}

/** All series of a metric; none of one that is not there. */
export async function samplesOf(metrics: Metrics, name: string): Promise<readonly Sample[]> {
  const metric = await metrics.getSingleMetric(name)?.get()
  return (metric?.values ?? []) as readonly Sample[]
}
