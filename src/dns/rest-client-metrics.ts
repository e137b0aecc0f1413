import type { RequestOutcome } from '#cluster/api/client.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { counter, histogram } from './metric.ts'

/** client-go's buckets for its requests, seconds. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60]

/** Counts requests to the API server by the names that CoreDNS's kubernetes plugin uses. */
export function restClientMetrics(metrics: Metrics): (outcome: RequestOutcome) => void {
  const requests = counter(metrics, {
    name: 'coredns_kubernetes_rest_client_requests_total',
    help: 'Requests to the API server.',
    labels: ['code', 'method', 'host'],
  })
  const durations = histogram(metrics, {
    name: 'coredns_kubernetes_rest_client_request_duration_seconds',
    help: 'Time of requests to the API server, up to the head of the answer.',
    labels: ['verb', 'host'],
    buckets: BUCKETS,
  })
  return ({ code, method, host, durationMs }) => {
    requests.inc({ code, method, host })
    durations.observe({ verb: method, host }, durationMs / 1000)
  }
}
