import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t from 'tap'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { parseNftTable } from '#linux/nft-listing.ts'
import type { IpFamily } from '#net/ip.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { changeUnderConnections, serveBeside } from '../helper/changes-under-connections.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { echoLines } from '../helper/held-connection.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, load, serve } from '../helper/traffic.ts'

const net = await Topology.create(5)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, podB, podC, client, echo] = net.pods as [TestPod, TestPod, TestPod, TestPod, TestPod]
await Promise.all([
  echoLines(echo.namespace, 8080),
  serveBeside(net),
  serve(podA.namespace, 'a', [8080]),
  serve(podB.namespace, 'b', [8080]),
  serve(podC.namespace, 'c', [8080]),
])

const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4, 6],
  clusterCIDRs: [],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const tcp = { protocol: 'tcp', host: '10.96.0.1', port: 80 } as const
const udp = { protocol: 'udp', host: '10.96.0.1', port: 80 } as const
const tcp6 = { protocol: 'tcp', host: 'fd00:96::1', port: 80 } as const

const ports = (['TCP', 'UDP'] as const).map(protocol => ({ name: protocol, protocol, port: 8080 }))
const web = service({
  clusterIP: tcp.host,
  clusterIPs: [tcp.host, tcp6.host],
  ipFamilies: [4, 6],
  ports: ports.map(({ name, protocol }) => servicePort({ name, protocol, nodePort: 30080 })),
})
const slicesOf = (...pods: readonly TestPod[]) => [
  slice({ name: 'web-4', ports, endpoints: pods.map(({ ip4 }) => endpoint(ip4)) }),
  slice({
    name: 'web-6',
    ports,
    addressType: 'IPv6',
    endpoints: pods.map(({ ip6 }) => endpoint(ip6)),
  }),
]

/** A Service with some of everything, which nobody changes. */
const full = [
  service({
    name: 'full',
    type: 'LoadBalancer',
    clusterIP: '10.96.0.2',
    clusterIPs: ['10.96.0.2', 'fd00:96::2'],
    ipFamilies: [4, 6],
    externalTrafficPolicy: 'Local',
    affinityTimeoutSeconds: 60,
    externalIPs: ['198.51.100.2', 'fd00:e::2'],
    loadBalancerIngress: [{ ip: '203.0.113.2' }, { ip: 'fd00:f::2' }],
    loadBalancerSourceRanges: ['192.168.50.0/24', '10.0.0.9/32', 'fd00:50::/64', 'fd00::9/128'],
    ports: [servicePort({ nodePort: 30082 })],
  }),
  slice({
    name: 'full-4',
    labels: { [SERVICE_NAME_LABEL]: 'full' },
    endpoints: [endpoint(podA.ip4), endpoint(podB.ip4, { nodeName: 'node-2' })],
  }),
  slice({
    name: 'full-6',
    labels: { [SERVICE_NAME_LABEL]: 'full' },
    addressType: 'IPv6',
    endpoints: [endpoint(podA.ip6), endpoint(podB.ip6, { nodeName: 'node-2' })],
  }),
]

/** A proxy that has programmed the Service with these pods. */
async function start(...pods: readonly TestPod[]): Promise<ProxyProcess> {
  const proxy = new ProxyProcess(net.node, settings)
  proxy.set(...full, web, ...slicesOf(...pods))
  proxy.sync()
  await proxy.programmed()
  return proxy
}

/** The lines that `nft monitor` prints on the node while `action` runs. */
async function monitored(action: () => Promise<unknown>): Promise<readonly string[]> {
  const monitor = net.node.spawn('nft', ['monitor'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  createInterface({ input: monitor.stdout as Readable }).on('line', line => lines.push(line))
  // Tables made here show that the monitor listens, and that it has told everything.
  const mark = (name: string) =>
    eventually(`the monitor to tell of ${name}`, async () => {
      await net.node.exec('nft', ['add', 'table', 'ip', name])
      await net.node.exec('nft', ['delete', 'table', 'ip', name])
      return lines.some(line => line.includes(`table ip ${name}`))
    })
  await mark('begin')
  await action()
  await mark('end')
  monitor.kill()
  await once(monitor, 'exit')
  return lines.filter(line => !/table ip (begin|end)$/.test(line) && !line.startsWith('# new gen'))
}

/**
 * Until no UDP flow of the load before leads to the pod: a new socket that gets the source port of one continues it. They
 * are cleaned up after the rules are programmed.
 */
async function udpFlowsEnd(pod: TestPod): Promise<void> {
  const args = ['-L', '-p', 'udp', '--reply-src', pod.ip4]
  await eventually('the UDP flows to end', async () => {
    return (await net.node.exec('conntrack', args)).stdout === ''
  })
}

const onlyAnswers = (outcomes: readonly string[]) =>
  outcomes.filter(outcome => !/^[abc] /.test(outcome))

t.test('endpoints come and go under load without a failed connection', async t => {
  const proxy = await start(podA)
  const loads = [
    await load(client.namespace, tcp),
    await load(client.namespace, udp),
    await load(client.namespace, tcp6),
    await load(net.outside, { ...tcp, host: net.nodeIp4, port: 30080 }),
  ]
  const sets = [[podA, podB], [podB], [podB, podC, podA], [podC, podA], [podA]]
  for (let round = 0; round < 150; round++) {
    proxy.set(...slicesOf(...(sets[round % sets.length] as readonly TestPod[])))
    await proxy.programmed()
  }
  for (const running of loads) {
    const outcomes = await running.stop()
    t.strictSame(onlyAnswers(outcomes), [])
    t.strictSame(new Set(outcomes.map(([name]) => name)), new Set(['a', 'b', 'c']))
    t.comment(`${outcomes.length} connections`)
  }
  await proxy.stop('SIGTERM')
})

t.test('a new endpoint is used, a removed one no more', async t => {
  const proxy = await start(podA)
  proxy.set(...slicesOf(podB))
  await proxy.programmed()
  await udpFlowsEnd(podA)
  for (const target of [tcp, udp, tcp6]) {
    const answers = await ask(client.namespace, target, 5)
    t.strictSame(new Set(answers.map(([name]) => name)), new Set('b'))
  }
  proxy.set(...slicesOf())
  await proxy.programmed()
  await udpFlowsEnd(podB)
  for (const target of [tcp, udp, tcp6]) {
    t.strictSame(await ask(client.namespace, target), ['ECONNREFUSED'])
  }
  proxy.delete('Service', 'default/web')
  proxy.delete('Service', 'default/full')
  await proxy.programmed()
  const { stdout } = await net.node.exec('nft', ['-j', 'list', 'table', 'ip', 'nodeplane'])
  const { elements } = parseNftTable(stdout)
  const left = [...elements].filter(([, list]) => list.size > 0).map(([name]) => name)
  // Written by packets, not by us.
  t.strictSame(
    left.filter(name => name !== 'node-addresses'),
    [],
  )
  await proxy.stop('SIGTERM')
})

t.test('no change of a Service ends a connection', async t => {
  const proxy = await start(podA)
  const { families } = settings
  await changeUnderConnections(t, { net, client, echo, other: podA, families, proxy })
  await proxy.stop('SIGTERM')
})

t.test('kill -9 and a restart: no connection fails and nothing is written', async t => {
  const first = await start(podA, podB)
  const running = await load(client.namespace, tcp)
  await first.stop('SIGKILL')
  const written = await monitored(async () => {
    const second = await start(podA, podB)
    await second.stop('SIGTERM')
  })
  t.strictSame(written, [])
  t.strictSame(onlyAnswers(await running.stop()), [])
})

t.test('a restart writes what changed while the proxy was away, and no more', async t => {
  const first = await start(podA, podB)
  await first.stop('SIGKILL')
  const written = await monitored(async () => {
    const second = await start(podA, podC)
    await second.stop('SIGTERM')
  })
  // Per family: an endpoint in the place of another for each protocol, and the hairpin entries of the two pods.
  const places = written.map(line => /element (\S+ \S+ \S+)/.exec(line)?.[1] ?? line)
  for (const family of ['ip', 'ip6']) {
    const count = (name: string) =>
      places.filter(place => place === `${family} nodeplane ${name}`).length
    t.equal(count('endpoints-tcp'), 2)
    t.equal(count('endpoints-udp'), 2)
    t.equal(count('hairpins'), 2)
  }
  t.equal(places.length, 12)
})

t.test('rules that somebody deleted are made again with the next change', async t => {
  const proxy = await start(podA)
  await net.node.exec('nft', ['delete', 'table', 'ip', 'nodeplane'])
  proxy.set(...slicesOf(podB))
  await proxy.programmed()
  t.match(await ask(client.namespace, tcp), [/^b /])
  await proxy.stop('SIGTERM')
})

t.test('a family that cannot be written does not hold the other, and is retried', async t => {
  await cleanup(net.node)
  // A table with an owner refuses everybody else until its owner ends.
  const owner = net.node.spawn('nft', ['-i'], { stdio: ['pipe', 'ignore', 'inherit'] })
  owner.stdin?.write('add table ip6 nodeplane { flags owner; }\n')
  await eventually('the owned table', () =>
    net.node.exec('nft', ['list', 'table', 'ip6', 'nodeplane']).then(() => true),
  )
  const proxy = new ProxyProcess(net.node, settings)
  proxy.set(web, ...slicesOf(podA))
  proxy.sync()
  await proxy.programmed([4])
  t.match(await ask(client.namespace, tcp), [/^a /])
  t.not((await ask(client.namespace, tcp6))[0]?.[0], 'a')
  owner.kill()
  await proxy.programmed([6] satisfies IpFamily[])
  t.match(await ask(client.namespace, tcp6), [/^a /])
  await proxy.stop('SIGTERM')
})

t.test('cleanup removes both tables, and is content when there are none', async t => {
  await cleanup(net.node)
  t.equal((await net.node.exec('nft', ['list', 'tables'])).stdout, '')
  await t.resolves(cleanup(net.node))
})
