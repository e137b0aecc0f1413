import t from 'tap'
import { createMetrics } from '#runtime/metrics.ts'
import { createIptablesMetrics } from '../../../src/proxy/iptables/metrics.ts'

const INVALID = 'kubeproxy_iptables_ct_state_invalid_dropped_packets_total'
const LOCALHOST = 'kubeproxy_iptables_localhost_nodeports_accepted_packets_total'

t.test('rules of all and of the last sync, and full and partial failures, by family', async t => {
  const registry = createMetrics()
  const of = createIptablesMetrics(registry)
  of(4).wrote('filter', { total: 30, last: 3 })
  of(4).wrote('nat', { total: 50, last: 5 })
  of(6).wrote('nat', { total: 60, last: 6 })
  of(6).wrote('nat', { total: 61, last: 0 })
  of(4).restoreFailed({ full: true })
  of(4).restoreFailed({ full: true })
  of(4).restoreFailed({ full: false })
  of(6).restoreFailed({ full: false })
  const text = await registry.metrics()
  const valuesOf = (name: string) =>
    Object.fromEntries(
      [
        ...text.matchAll(
          new RegExp(`^kubeproxy_sync_proxy_rules_iptables_${name}{(.*)} (.*)$`, 'gm'),
        ),
      ].map(([, labels = '', value]) => [labels.replaceAll(/\w+=|"/g, ''), Number(value)]),
    )
  t.strictSame(valuesOf('total'), { 'IPv4,filter': 30, 'IPv4,nat': 50, 'IPv6,nat': 61 })
  t.strictSame(valuesOf('last'), { 'IPv4,filter': 3, 'IPv4,nat': 5, 'IPv6,nat': 0 })
  // Each failed restore; those of partial syncs a second time.
  t.strictSame(valuesOf('restore_failures_total'), { IPv4: 3, IPv6: 1 })
  t.strictSame(valuesOf('partial_restore_failures_total'), { IPv4: 1, IPv6: 1 })
})

t.test('without counters of packets there are no metrics of them', async t => {
  const registry = createMetrics()
  createIptablesMetrics(registry)(4)
  t.notMatch(await registry.metrics(), /packets_total/)
})

t.test('packets are read when the metrics are, one metric for both families', async t => {
  const registry = createMetrics()
  const of = createIptablesMetrics(registry)
  let seen = 3
  for (const family of [4, 6] as const) {
    of(family).countPackets(async counter => (counter === 'invalid' ? seen : undefined))
  }
  t.match(await registry.metrics(), `${INVALID} 3\n`)
  seen = 5
  const text = await registry.metrics()
  t.match(text, `${INVALID} 5\n`)
  t.match(text, `${LOCALHOST} 0\n`, 'a counter that is gone counts nothing')
})
