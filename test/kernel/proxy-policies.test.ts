import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import {
  external,
  numbered,
  outcomesOn,
  settings,
  slices,
  type Way,
} from '../helper/numbered-services.ts'
import { ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([serve(podA.namespace, 'a', [8080]), serve(podB.namespace, 'b', [8080])])

const local = { externalTrafficPolicy: 'Local' } as const
const onlyOutside = { loadBalancerSourceRanges: [`${net.outsideIp4}/32`, `${net.outsideIp6}/128`] }
const all: readonly (EndpointSlice | Service)[] = [
  numbered(1, local),
  ...slices(1, [podA], [podB]),
  numbered(2, local),
  ...slices(2, [], [podB]),
  numbered(3, { internalTrafficPolicy: 'Local' }),
  ...slices(3, [], [podB]),
  numbered(4, onlyOutside),
  ...slices(4, [podA], [podB]),
  numbered(6),
]
const proxy = new ProxyProcess(net.node, settings)
proxy.set(...all)
proxy.sync()
await proxy.programmed()

const outcomes = outcomesOn(net)

for (const family of [4, 6] as const) {
  const clientIP = family === 4 ? client.ip4 : client.ip6
  const outsideIP = family === 4 ? net.outsideIp4 : net.outsideIp6
  const bridgeIP = family === 4 ? net.bridgeIp4 : net.bridgeIp6
  for (const protocol of ['tcp', 'udp'] as const) {
    const what = `IPv${family} ${protocol}`
    const way = (number: number): Way => ({ number, family, protocol })

    t.test(`${what}: external policy Local`, async t => {
      for (const to of external) {
        t.strictSame(await outcomes(net.outside, to, way(1)), [`a ${outsideIP}`], to)
        const fromPod = await outcomes(client.namespace, to, way(1))
        t.strictSame(fromPod, [`a ${clientIP}`, `b ${clientIP}`], `${to} from a pod`)
        const fromNode = await outcomes(net.node, to, way(1))
        t.strictSame(fromNode, [`a ${bridgeIP}`, `b ${bridgeIP}`], `${to} from the node`)
      }
    })

    t.test(`${what}: a policy Local without endpoints here drops`, async t => {
      const dropped = await Promise.all([
        outcomes(net.outside, 'vip', way(2), 1),
        outcomes(client.namespace, 'clusterIP', way(3), 1),
      ])
      t.strictSame(dropped, [['TIMEOUT'], ['TIMEOUT']])
      t.strictSame(await outcomes(client.namespace, 'vip', way(2)), [`b ${clientIP}`])
      t.strictSame(await outcomes(net.node, 'nodePort', way(2)), [`b ${bridgeIP}`])
      t.strictSame(await outcomes(net.outside, 'nodePort', way(3)), [`b ${bridgeIP}`])
    })

    t.test(`${what}: source ranges guard the VIP and nothing else`, async t => {
      const answers = [`a ${bridgeIP}`, `b ${bridgeIP}`]
      t.strictSame(await outcomes(net.outside, 'vip', way(4)), answers)
      const dropped = [client.namespace, net.node].map(from => outcomes(from, 'vip', way(4), 1))
      t.strictSame(await Promise.all(dropped), [['TIMEOUT'], ['TIMEOUT']])
      for (const to of ['externalIP', 'nodePort'] as const) {
        t.strictSame(await outcomes(client.namespace, to, way(4)), answers)
      }
    })

    t.test(`${what}: without endpoints everybody is refused`, async t => {
      for (const from of [client.namespace, net.node, net.outside]) {
        for (const to of external) {
          t.strictSame(await outcomes(from, to, way(6), 1), ['ECONNREFUSED'])
        }
      }
    })
  }
}

t.test("another's DNAT from a node port's number keeps its source", async t => {
  const elsewhere = '198.51.100.77'
  const rules = [
    'add table ip other',
    'add chain ip other prerouting { type nat hook prerouting priority -110; }',
    `add rule ip other prerouting ip daddr ${elsewhere} tcp dport 30004 dnat to ${podA.ip4}:8080`,
  ]
  for (const rule of rules) await net.node.exec('nft', [rule])
  const answer = await ask(net.outside, { protocol: 'tcp', host: elsewhere, port: 30004 })
  t.strictSame(answer, [`a ${net.outsideIp4}`])
  await net.node.exec('nft', ['delete table ip other'])
})

t.test('a proxy that ends leaves all of it', async t => {
  await proxy.stop('SIGTERM')
  const way: Way = { number: 1, family: 4, protocol: 'tcp' }
  t.strictSame(await outcomes(net.outside, 'vip', way), [`a ${net.outsideIp4}`])
})
