// A Service with 5,000 ports and one with 5,000 endpoints; 1,000 where it is iptables' nft flavour that takes the time: it gets
// the same rules as the other one.
import t from 'tap'
import { environmentOf, savedRules } from '../helper/iptables.ts'
import {
  haveManyAddresses,
  LARGE,
  servicePorts,
  serviceWithEndpoints,
} from '../helper/large-services.ts'
import { numbered, settings, slices } from '../helper/numbered-services.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([serve(podA.namespace, 'a', [8080]), serve(podB.namespace, 'b', [8080])])
await haveManyAddresses(net.node, podB)

/** Only bounds a failure. */
const LIMIT_MS = 60_000
const connect = async (host: string, port: number, count = 1) => [
  ...new Set(await ask(client.namespace, { protocol: 'tcp', host, port }, count)),
]
const [fromA, fromB] = [[`a ${client.ip4}`], [`b ${client.ip4}`]]

for (const [title, mode, flavour, size] of [
  ['nftables', 'nftables', 'nft', LARGE],
  ['iptables, nft', 'iptables', 'nft', 1000],
  ['iptables, legacy', 'iptables', 'legacy', LARGE],
] as const) {
  t.test(title, async t => {
    const env = await environmentOf(flavour)
    const proxy = new ProxyProcess(net.node, { ...settings, families: [4], mode }, env)
    const programmed = () => proxy.programmed(undefined, LIMIT_MS)
    proxy.set(numbered(1), ...slices(1, [podA]), ...servicePorts(podB, size))
    proxy.set(...serviceWithEndpoints(size))
    proxy.sync()
    await programmed()
    for (const port of [1000, 1000 + size / 2, 999 + size])
      t.strictSame(await connect('10.96.2.1', port), fromB)
    t.strictSame(await connect('10.96.2.1', 1000 + size), [
      mode === 'nftables' ? 'ECONNREFUSED' : 'TIMEOUT',
    ])
    t.strictSame(await connect('10.96.2.2', 80, 100), fromB, 'wherever it is sent, it arrives')
    const { stdout } = await net.node.exec('conntrack', ['-L', '-d', '10.96.2.2'])
    const reached = new Set(stdout.match(/src=10\.245\.\d+\.\d+/g))
    t.ok(reached.size > 50, `${reached.size} different endpoints of ${size}`)

    proxy.set(...serviceWithEndpoints(1).slice(1), ...slices(1, [podB]))
    await programmed()
    t.strictSame(await connect('10.96.2.2', 80, 5), fromB, 'only one endpoint is left')
    t.strictSame(await connect('10.96.0.1', 80), fromB)
    for (const name of ['ports', 'pods']) proxy.delete('Service', `default/${name}`)
    proxy.set(...slices(1, [podA]))
    await programmed()
    t.strictSame(await connect('10.96.0.1', 80), fromA)
    const rules = mode === 'nftables' ? await elements() : await savedRules(net.node, flavour)
    t.ok(rules.length < 150, `${rules.length} are left`)
    t.notOk(rules.some(rule => /10\.96\.2\.|10\.245\.|default\/(ports|pods)/.test(rule)))
    t.strictSame(
      proxy.log.filter(line => line.includes('failed')),
      [],
    )
    await proxy.stop('SIGTERM')
    await cleanup(net.node, env)
  })
}

/** The lines of our table. */
async function elements(): Promise<readonly string[]> {
  const { stdout } = await net.node.exec('nft', ['list', 'table', 'ip', 'nodeplane'])
  return stdout.split('\n').filter(line => /^\s+(elements = )?[{\d]/.test(line))
}
