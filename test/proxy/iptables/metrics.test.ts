import t from 'tap'
import { createMetrics } from '#runtime/metrics.ts'
import { createIptablesMetrics } from '../../../src/proxy/iptables/metrics.ts'

const INVALID = 'kubeproxy_iptables_ct_state_invalid_dropped_packets_total'
const LOCALHOST = 'kubeproxy_iptables_localhost_nodeports_accepted_packets_total'

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
