import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t from 'tap'
import type { ProxyMode, ProxySettings } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import type { TestNamespace } from '../helper/namespace.ts'
import { ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([
  serve(podA.namespace, 'a', [8080, 30080]),
  serve(podB.namespace, 'b', [8080]),
  serve(net.outside, 'outside', [30080, 80]),
])

const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4, 6],
  clusterCIDRs: [],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const ports = [{ name: 'dns', protocol: 'UDP', port: 8080 }] as const
const web = service({
  type: 'NodePort',
  clusterIP: '10.96.0.1',
  clusterIPs: ['10.96.0.1', 'fd00:96::1'],
  ipFamilies: [4, 6],
  ports: [servicePort({ name: 'dns', protocol: 'UDP', port: 80, nodePort: 30080 })],
})
const slicesOf = (...pods: readonly TestPod[]) => [
  slice({ name: 'web-4', ports, endpoints: pods.map(({ ip4 }) => endpoint(ip4)) }),
  slice({
    name: 'web-6',
    addressType: 'IPv6',
    ports,
    endpoints: pods.map(({ ip6 }) => endpoint(ip6)),
  }),
]

/** A client that keeps one socket; the target is `HOST PORT`. */
async function clientOf(namespace: TestNamespace, type: 'udp4' | 'udp6', sourcePort: number) {
  const script = new URL('../fixtures/udp-client.ts', import.meta.url).pathname
  const child = namespace.spawn(process.execPath, [script, type, String(sourcePort)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]()
  await lines.next()
  return async (target: string): Promise<string> => {
    child.stdin?.write(`${target}\n`)
    return String((await lines.next()).value)
  }
}

const paths = [
  {
    title: 'a pod, cluster IP',
    ask: await clientOf(client.namespace, 'udp4', 4001),
    to: '10.96.0.1 80',
  },
  {
    title: 'a pod, cluster IP, IPv6',
    ask: await clientOf(client.namespace, 'udp6', 4002),
    to: 'fd00:96::1 80',
  },
  {
    title: 'outside, node port',
    ask: await clientOf(net.outside, 'udp4', 4003),
    to: `${net.nodeIp4} 30080`,
  },
  {
    title: 'outside, node port, IPv6',
    ask: await clientOf(net.outside, 'udp6', 4004),
    to: `${net.nodeIp6} 30080`,
  },
]

/**
 * The node's entries of flows that these source ports began. An answer that was under way when its flow was deleted
 * begins one in the other direction, which is no Service's.
 */
async function entriesOf(...sourcePorts: readonly number[]): Promise<readonly string[]> {
  const listings = ['ipv4', 'ipv6'].map(family => net.node.exec('conntrack', ['-L', '-f', family]))
  const lines = (await Promise.all(listings)).flatMap(({ stdout }) => stdout.split('\n'))
  return lines.filter(line => sourcePorts.includes(Number(/ sport=(\d+)/.exec(line)?.[1])))
}

/** TCP entries, and the UDP ones of other clients than those of {@link paths}. */
async function othersNow(): Promise<readonly string[]> {
  const { stdout } = await net.node.exec('conntrack', ['-L', '-o', 'id'])
  return stdout
    .split('\n')
    .filter(line => line.startsWith('tcp') || line.includes('sport=4101 '))
    .map(line => /id=(\d+)/.exec(line)?.[1] ?? line)
    .sort()
}

const own = [4001, 4002, 4003, 4004]

const noneLeft = async () => (await entriesOf(...own)).length === 0

/** Every client's next answers come from this pod. */
const allReach = (name: string) =>
  Promise.all(
    paths.map(({ title, ask, to }) =>
      eventually(`${title} to reach ${name}`, async () => (await ask(to)).startsWith(`${name} `)),
    ),
  )

const proxy = new ProxyProcess(net.node, settings)
proxy.sync()
await proxy.programmed()

t.test('a flow from before the Service follows it, also when its slices came first', async t => {
  for (const { ask, to } of paths) await ask(to)
  t.ok((await entriesOf(...own)).length > 0)
  proxy.set(...slicesOf(podA))
  await proxy.programmed()
  proxy.set(web)
  await t.resolves(allReach('a'))
})

t.test('a flow to a removed endpoint goes on at another', async t => {
  proxy.set(...slicesOf(podB))
  await t.resolves(allReach('b'))
})

t.test('the flows of a Service without endpoints end, and start again with it', async t => {
  proxy.set(...slicesOf())
  await eventually('no entry', noneLeft)
  for (const { ask, to, title } of paths) t.equal(await ask(to), 'TIMEOUT', title)
  proxy.set(...slicesOf(podA))
  await t.resolves(allReach('a'))
})

t.test('other flows stay: TCP, and UDP to other ports, pods and hosts', async t => {
  // The node's own: tracked, and unlike between pods of one bridge everywhere.
  const [tcp] = await ask(net.node, { protocol: 'tcp', host: podA.ip4, port: 8080 })
  t.match(tcp, /^a /)
  const other = await clientOf(client.namespace, 'udp4', 4101)
  const targets = [
    // A pod itself, another port of it, and the node port's number on another host.
    `${podA.ip4} 8080`,
    `${podB.ip4} 8080`,
    `${net.outsideIp4} 30080`,
    `${net.outsideIp4} 80`,
  ]
  // Between pods of the node nothing is routed, and so nothing tracked; whatever is must stay.
  for (const target of targets) t.match(await other(target), /^(a|b|outside) /)
  const before = await othersNow()
  t.ok(before.length >= 3)
  proxy.set(...slicesOf(podB))
  await allReach('b')
  t.strictSame(await othersNow(), before)
})

t.test('the flows of a deleted Service end', async t => {
  proxy.delete('Service', 'default/web')
  await eventually('no entry', noneLeft)
  t.ok((await othersNow()).length >= 3)
  await proxy.stop('SIGTERM')
})

const localhost: readonly {
  readonly mode: ProxyMode
  readonly targets: readonly (readonly ['udp4' | 'udp6', string])[]
}[] = [
  {
    mode: 'nftables',
    targets: [
      ['udp4', '127.0.0.1'],
      ['udp4', '127.1.2.3'],
      ['udp6', '::1'],
    ],
  },
  {
    mode: 'iptables',
    targets: [
      ['udp4', '127.0.0.1'],
      ['udp4', '127.1.2.3'],
    ],
  },
]
let sourcePort = 4201
for (const { mode, targets } of localhost) {
  t.test(`mode ${mode}: flows to a node port on loopback leave a removed endpoint`, async t => {
    const proxy = new ProxyProcess(net.node, { ...settings, mode, localhostNodePorts: true })
    proxy.set(web, ...slicesOf(podA))
    proxy.sync()
    await proxy.programmed()
    const flows = await Promise.all(
      targets.map(async ([type, host]) => {
        const ask = await clientOf(net.node, type, sourcePort++)
        return { host, next: () => ask(`${host} 30080`) }
      }),
    )
    for (const { host, next } of flows) {
      await eventually(`${host} to reach a`, async () => (await next()).startsWith('a '))
    }
    proxy.set(...slicesOf(podB))
    await proxy.programmed()
    for (const { host, next } of flows) {
      await t.resolves(
        eventually(`${host} to reach b`, async () => (await next()).startsWith('b ')),
      )
    }
    await proxy.stop('SIGTERM')
  })
}
