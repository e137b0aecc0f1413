import t from 'tap'
import { busiest, MAX_COUNTED_PORTS, registerAgentMetrics } from '#agent/metrics.ts'
import { createMetrics } from '#runtime/metrics.ts'

const counted = (connections: number) => ({ connections, packets: 10, bytes: 100 })

t.test('a part that is not ready is told by name', async t => {
  const metrics = createMetrics()
  const checks = () => [
    { part: 'dns' as const, whyNot: () => 'a plugin is not ready' },
    { part: 'proxy' as const, whyNot: () => undefined },
  ]
  registerAgentMetrics(metrics, { checks, traffic: async () => new Map() })
  const text = await metrics.metrics()
  t.match(text, '\nnodeplane_part_ready{part="dns"} 0\n')
  t.match(text, '\nnodeplane_part_ready{part="proxy"} 1\n')
})

t.test('what goes through a service port is told by its names', async t => {
  const metrics = createMetrics()
  const traffic = async () =>
    new Map([
      ['shop/web:http/TCP', counted(7)],
      ['shop/db/UDP', counted(3)],
    ])
  registerAgentMetrics(metrics, { checks: () => [], traffic })
  const text = await metrics.metrics()
  const web = '{namespace="shop",service="web",port="http",protocol="TCP"}'
  t.match(text, `\nnodeplane_service_connections_total${web} 7\n`)
  t.match(text, `\nnodeplane_service_bytes_total${web} 100\n`)
  const db = '{namespace="shop",service="db",port="",protocol="UDP"}'
  t.match(text, `\nnodeplane_service_connections_total${db} 3\n`)
})

t.test('counters that cannot be read leave the other metrics as they are', async t => {
  const metrics = createMetrics()
  const traffic = () => Promise.reject(new Error('nft ended with 1'))
  registerAgentMetrics(metrics, { checks: () => [], traffic })
  const text = await metrics.metrics()
  t.match(text, 'nodeplane_build_info{')
  t.match(text, /^process_open_fds [1-9]/m, 'without the service proxy too')
  t.notMatch(text, 'nodeplane_service_connections_total{')
})

t.test('of ten thousand ports the busiest hundred have series', async t => {
  const traffic = new Map(
    Array.from({ length: 10_000 }, (_, n) => [`shop/s${n}:http/TCP`, counted(n)] as const),
  )
  const found = busiest(traffic)
  t.equal(found.length, MAX_COUNTED_PORTS)
  t.equal(found[0]?.[0].service, 's9999')
  t.equal(found.at(-1)?.[0].service, 's9900')
})
