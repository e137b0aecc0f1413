import t from 'tap'
import { createMetrics } from '#runtime/metrics.ts'
import { createProxyMetrics } from '../../src/proxy/metrics.ts'

t.test('a Service that waits in both families is one, slices are of one family each', async t => {
  const registry = createMetrics()
  const metricsOf = createProxyMetrics(registry, 'nftables')
  const [four, six] = [metricsOf(4), metricsOf(6)]
  const waiting = async () => {
    const text = await registry.metrics()
    const of = (name: string) =>
      Number(
        new RegExp(`^kubeproxy_sync_proxy_rules_${name}_changes_pending (\\S+)$`, 'm').exec(
          text,
        )?.[1],
      )
    return [of('service'), of('endpoint')]
  }
  t.strictSame(await waiting(), [0, 0])
  for (const family of [four, six]) {
    family.waits({ kind: 'Service', key: 'default/web' })
    family.waits({ kind: 'EndpointSlice', key: 'default/web-x' })
  }
  six.waits({ kind: 'Service', key: 'default/other' })
  t.strictSame(await waiting(), [2, 2])
  const synced = { full: false, durationMs: 1, atMs: 0 }
  six.synced(synced)
  t.strictSame(await waiting(), [1, 1])
  four.failed({ full: false, durationMs: 1 })
  t.strictSame(await waiting(), [1, 1])
  four.synced(synced)
  t.strictSame(await waiting(), [0, 0])
})
