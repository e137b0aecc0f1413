// Counters of packets (nfacct), which the machine's own kernel may lack.
import t from 'tap'
import { NfacctCounters } from '#linux/nfacct.ts'
import { systemClock } from '#runtime/clock.ts'
import { createLogger, silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { counted, packetCounters } from '../../src/proxy/iptables/counter-match.ts'
import { iptables } from '../../src/proxy/iptables/module.ts'
import { createProxyMetrics } from '../../src/proxy/metrics.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import { statesOf } from '../proxy/ipvs/states.ts'
import { settings as common, node, podA, run } from './fixture.ts'
import { RunningProxy } from './proxy.ts'

const objects = [numbered(1), ...slices(1, [podA])] as const
const settings = {
  ...common,
  families: [4],
  mode: 'iptables',
  localhostNodePorts: true,
} as const

await t.test('mode iptables counts what kube-proxy counts', async t => {
  await using proxy = await RunningProxy.start(settings, objects)
  const value = async (name: string) =>
    new RegExp(`^kubeproxy_iptables_${name} (\\d+)$`, 'm').exec(await proxy.metrics.metrics())?.[1]
  t.equal(await value('localhost_nodeports_accepted_packets_total'), '0')
  t.equal(await value('ct_state_invalid_dropped_packets_total'), '0')
  for (let count = 0; count < 3; count++) {
    await node.ask({ protocol: 'tcp', host: '127.0.0.1', port: 30_001 }, 1)
  }
  await node.ask({ protocol: 'tcp', host: '192.168.50.1', port: 30_001 }, 1)
  t.equal(await value('localhost_nodeports_accepted_packets_total'), '3')
  t.match(await run('iptables-save -t filter'), /INVALID .*ct_state_invalid_dropped_pkts.* DROP/)
  const options = {
    family: 4,
    settings,
    metrics: createProxyMetrics(createMetrics(), 'iptables')(4),
    log: await createLogger('error', false),
    clock: systemClock,
    serviceCIDRs: () => [],
  } as const
  const states = statesOf([...objects])
  t.strictSame(await iptables.diff?.(options, states, AbortSignal.timeout(60_000)), [])
})

await t.test(
  'a clean-up removes the counters, but none that a rule of others counts into',
  async t => {
    using counters = NfacctCounters.open()
    const left = async () => {
      const counts = await Promise.all(
        Object.values(packetCounters).map(name => counters.packets(name)),
      )
      return counts.map(count => count !== undefined)
    }
    const rule = `OUTPUT ${counted('localhost')}`
    await run(`iptables -A ${rule}`)
    await iptables.cleanup({ log: silentLogger() }, AbortSignal.timeout(60_000))
    t.strictSame(await left(), [false, true])
    await run(`iptables -D ${rule}`)
    await iptables.cleanup({ log: silentLogger() }, AbortSignal.timeout(60_000))
    t.strictSame(await left(), [false, false])
  },
)
