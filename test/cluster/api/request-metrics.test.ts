import t from 'tap'
import { countRequests } from '#cluster/api/request-metrics.ts'
import { createMetrics } from '#runtime/metrics.ts'

const ok = { code: '200', method: 'GET', host: 'api:6443', durationMs: 1 }

t.test('sources that share a registry count in one metric', async t => {
  const metrics = createMetrics()
  countRequests(metrics)(ok)
  countRequests(metrics)(ok)
  countRequests(metrics)({ ...ok, code: '<error>' })
  countRequests(metrics, 'coredns_kubernetes_')(ok)
  const text = await metrics.metrics()
  t.match(text, 'rest_client_requests_total{code="200",method="GET",host="api:6443"} 2')
  t.match(text, 'rest_client_requests_total{code="<error>",method="GET",host="api:6443"} 1')
  t.match(
    text,
    'coredns_kubernetes_rest_client_requests_total{code="200",method="GET",host="api:6443"} 1',
  )
})
