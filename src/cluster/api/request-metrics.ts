import { Counter, type Metrics } from '#runtime/metrics.ts'
import type { RequestOutcome } from './client.ts'

/**
 * Counts requests to the API server in `rest_client_requests_total{code,method,host}`, as client-go does. What it gives is
 * for `onRequest`; sources with the same registry and prefix count in the same metric.
 * @param prefix goes before the name; CoreDNS has `coredns_kubernetes_`.
 */
export function countRequests(metrics: Metrics, prefix = ''): (outcome: RequestOutcome) => void {
  const name = `${prefix}rest_client_requests_total`
  const known = metrics.getSingleMetric(name)
  const counter =
    known instanceof Counter
      ? known
      : new Counter({
          name,
          help: 'Requests to the API server by status code, method and host.',
          labelNames: ['code', 'method', 'host'],
          registers: [metrics],
        })
  return ({ code, method, host }) => counter.inc({ code, method, host })
}
