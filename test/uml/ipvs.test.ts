import { openSync, readFileSync } from 'node:fs'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { external, numbered, settings, slices, type To } from '../helper/numbered-services.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { Host, type Target } from './host.ts'
import { RunningProxy } from './proxy.ts'

t.setTimeout(280_000)

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, podB, podC] = net.pods as [TestPod, TestPod, TestPod]
const [a, b, client, outside, node] = [
  podA.namespace,
  podB.namespace,
  podC.namespace,
  net.outside,
  net.node,
].map(namespace => {
  const host = new Host(namespace)
  t.teardown(() => host[Symbol.asyncDispose]())
  return host
}) as [Host, Host, Host, Host, Host]
await Promise.all([a.serve('a', 8080), b.serve('b', 8080), node.serve('host', 9999)])

// From here on this process is on the node.
setns(openSync(net.node.path, 'r'), CLONE_NEWNET)

const ipvs: ProxySettings = { ...settings, mode: 'ipvs', syncPeriodMs: 300 }
const proxy = await RunningProxy.start(ipvs, [
  numbered(1),
  ...slices(1, [podA], [podB]),
  numbered(2),
])
t.teardown(() => proxy[Symbol.asyncDispose]())

type Way = { readonly number: number; readonly family: 4 | 6; readonly protocol: 'tcp' | 'udp' }
const networks = {
  clusterIP: { 4: '10.96.0.', 6: 'fd00:96::' },
  externalIP: { 4: '198.51.100.', 6: 'fd00:e::' },
  vip: { 4: '203.0.113.', 6: 'fd00:f::' },
}
const target = (to: To, { number, family, protocol }: Way): Target => {
  const nodeIP = family === 4 ? net.nodeIp4 : net.nodeIp6
  const host = to === 'nodePort' ? nodeIP : `${networks[to][family]}${number}`
  return { protocol, host, port: to === 'nodePort' ? 30_000 + number : 80 }
}

for (const family of [4, 6] as const) {
  const bridgeIP = family === 4 ? net.bridgeIp4 : net.bridgeIp6
  const clientIP = family === 4 ? podC.ip4 : podC.ip6
  for (const protocol of ['tcp', 'udp'] as const) {
    const to = (where: To, number = 1) => target(where, { number, family, protocol })
    t.test(`IPv${family} ${protocol}: every address leads to the endpoints`, async t => {
      const unchanged = [`a ${clientIP}`, `b ${clientIP}`]
      const masqueraded = [`a ${bridgeIP}`, `b ${bridgeIP}`]
      t.strictSame(await client.ask(to('clusterIP')), unchanged, 'cluster IP, from a pod')
      t.strictSame(await node.ask(to('clusterIP')), masqueraded, 'cluster IP, from the node')
      for (const where of external) {
        t.strictSame(await outside.ask(to(where)), masqueraded, `${where}, from outside`)
      }
    })
    t.test(`IPv${family} ${protocol}: a Service without endpoints refuses`, async t => {
      t.strictSame(await client.ask(to('clusterIP', 2), 1), ['ECONNREFUSED'])
      t.strictSame(await outside.ask(to('vip', 2), 1), ['ECONNREFUSED'])
    })
  }
}
