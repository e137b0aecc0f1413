import type { Batch, StoreReader } from '#cluster/store.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { histogram } from '../../metric.ts'
import { isHeadless } from '../../zone/find.ts'
import { serviceKeyOf } from '../../zone/zone-index.ts'

/** 1 ms to about 9 minutes. */
const BUCKETS = Array.from({ length: 20 }, (_, power) => 0.001 * 2 ** power)

/**
 * Observes, for every changed slice of a headless Service with selector, the time from the change that triggered the slice
 * (its annotation endpoints.kubernetes.io/last-change-trigger-time) until answers have it. What was there before the start
 * does not count.
 */
export function programmingDuration(
  metrics: Metrics,
  store: StoreReader,
): (batch: Batch, nowMs: number) => void {
  const durations = histogram(metrics, {
    name: 'coredns_kubernetes_dns_programming_duration_seconds',
    help: 'Time from the change of a headless Service with selector until names have it.',
    labels: ['service_kind'],
    buckets: BUCKETS,
  })
  return ({ changes }, nowMs) => {
    for (const { kind, before, after } of changes) {
      if (kind !== 'EndpointSlice' || after?.lastChangeTriggerTimeMs === undefined) continue
      if (before?.lastChangeTriggerTimeMs === after.lastChangeTriggerTimeMs) continue
      const service = store.get('Service', serviceKeyOf(after) ?? '')
      if (service?.selector === undefined || !isHeadless(service)) continue
      const seconds = (nowMs - after.lastChangeTriggerTimeMs) / 1000
      durations.observe({ service_kind: 'headless_with_selector' }, Math.max(0, seconds))
    }
  }
}
