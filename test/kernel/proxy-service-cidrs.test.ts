// What no Service claims in a range of cluster IPs (kube-proxy's cluster-ips-check, nftables mode only).
import t from 'tap'
import type { ServiceCIDR } from '#cluster/objects.ts'
import type { IpFamily } from '#net/ip.ts'
import { eventually } from '../helper/eventually.ts'
import { echoLines, holdConnection } from '../helper/held-connection.ts'
import { numbered, settings, slices } from '../helper/numbered-services.ts'
import { ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, client] = net.pods as [TestPod, TestPod]
await Promise.all([
  serve(podA.namespace, 'a', [8080]),
  serve(net.outside, 'outside', [80]),
  serve(net.node, 'node', [80]),
])
// Somebody outside, and the node itself, have addresses in the ranges.
const unclaimed = { 4: '10.96.9.9', 6: 'fd00:96::9:9' } as const
await net.outside.ip(`address add ${unclaimed[4]}/32 dev lo`)
await net.outside.ip(`address add ${unclaimed[6]}/128 dev lo nodad`)
await net.node.ip('address add 10.96.9.1/32 dev br0')
await echoLines(net.outside, 8080)

const serviceCIDR = (name: string, ...cidrs: readonly string[]): ServiceCIDR => ({
  kind: 'ServiceCIDR',
  metadata: { name, namespace: '', labels: {} },
  cidrs,
})
const proxy = new ProxyProcess(net.node, settings)
proxy.set(numbered(1), ...slices(1, [podA]))
proxy.sync()
await proxy.programmed()

const askFrom = async (from: TestPod['namespace'], family: IpFamily) =>
  (await ask(from, { protocol: 'tcp', host: unclaimed[family], port: 80 }))[0]
const elements = async (family: IpFamily) => {
  const keyword = family === 4 ? 'ip' : 'ip6'
  const args = ['list', 'set', keyword, 'nodeplane', 'service-cidrs']
  const { stdout } = await net.node.exec('nft', args)
  return /elements = \{ ([^}]*?) *\}/.exec(stdout)?.[1]?.split(/,\s+/) ?? []
}
const hold = (family: IpFamily, want: readonly string[]) =>
  eventually(`IPv${family} to have ${want.join()}`, async () => {
    return (await elements(family)).join() === want.join()
  })

t.test('without ServiceCIDRs such packets go where routes lead', async t => {
  t.match(await askFrom(client.namespace, 4), /^outside /)
  t.match(await askFrom(net.node, 6), /^outside /)
})

t.test('with one they are dropped, from pods and from the node; the rest goes on', async t => {
  const talk = await holdConnection(client.namespace, unclaimed[4], 8080)
  proxy.set(serviceCIDR('kubernetes', '10.96.0.0/12', 'fd00:96::/108'))
  await hold(4, ['10.96.0.0/12'])
  await hold(6, ['fd00:96::/108'])
  const refused = await Promise.all([
    askFrom(client.namespace, 4),
    askFrom(client.namespace, 6),
    askFrom(net.node, 4),
    askFrom(net.node, 6),
  ])
  t.strictSame(refused, Array(4).fill('TIMEOUT'))
  t.equal(await talk.say('second'), 'second', 'an established connection lives on')
  for (const host of ['10.96.0.1', 'fd00:96::1']) {
    t.match(await ask(client.namespace, { protocol: 'tcp', host, port: 80 }), [/^a /], host)
  }
  const own = { protocol: 'tcp', host: '10.96.9.1', port: 80 } as const
  t.match(await ask(client.namespace, own), [/^node /], 'an address of the node is no way out')
})

t.test('a ping to a cluster IP is refused, one to nobody is not answered', async t => {
  const ping = async (host: string) => {
    const { stdout } = await client.namespace.exec('sh', ['-c', `ping -c 1 -W 1 ${host} || true`])
    return stdout
  }
  t.match(await ping('10.96.0.1'), /Destination Port Unreachable/)
  t.match(await ping('10.96.9.9'), /0 received, 100% packet loss/)
  t.notMatch(await ping('10.96.9.9'), /Unreachable/)
})

t.test('ranges that overlap, move, are written twice, and go', async t => {
  proxy.set(serviceCIDR('more', '10.0.0.0/8', '10.96.0.0/16', '10.96.0.0/12'))
  await hold(4, ['10.0.0.0/8'])
  proxy.delete('ServiceCIDR', 'more')
  await hold(4, ['10.96.0.0/12'])
  proxy.set(serviceCIDR('twin', '10.96.0.0/12'))
  proxy.delete('ServiceCIDR', 'kubernetes')
  await hold(6, [])
  t.match(await askFrom(client.namespace, 6), /^outside /)
  t.strictSame(await elements(4), ['10.96.0.0/12'], 'the other object still says so')
  await proxy.stop('SIGKILL')
  const next = new ProxyProcess(net.node, settings)
  next.set(serviceCIDR('other', '172.20.0.0/16'), numbered(1), ...slices(1, [podA]))
  next.sync()
  await next.programmed()
  await hold(4, ['172.20.0.0/16'])
  t.match(await askFrom(client.namespace, 4), /^outside /)
  t.strictSame([...proxy.log, ...next.log], [], 'nothing failed')
  await next.stop('SIGTERM')
})
