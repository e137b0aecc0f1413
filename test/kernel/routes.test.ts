import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import type { Node } from '#cluster/objects.ts'
import type { RouteMode, RoutesSettings } from '../../src/routes/settings.ts'
import { eventually } from '../helper/eventually.ts'
import type { TestNamespace } from '../helper/namespace.ts'
import { cleanupRoutesIn, RoutesProcess } from '../helper/routes-process.ts'
import { type RoutedNode, ThreeNodes } from '../helper/three-nodes.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await ThreeNodes.create()
t.teardown(() => net[Symbol.asyncDispose]())
const [a, b, c] = net.nodes
const folder = t.testdir({ a: '', b: '', c: '' })
const mtuFile = (node: RoutedNode) => join(folder, `mtu-${node.name}`)
const families = [4, 6] as const
const objects = net.nodes.map(({ object }) => object)
/** The network says nothing of packets that are too big. */
const DROP_TOO_BIG = `table inet lossy {
  chain input {
    type filter hook input priority 0;
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
  }
}`
const PORT = 8080

await Promise.all([
  serve(net.router, 'outside', [PORT]),
  ...net.nodes.flatMap(node => [
    serve(node.namespace, `node-${node.name}`, [PORT]),
    serve(node.pod, `pod-${node.name}`, [PORT]),
  ]),
])
// Somebody else's routes: one at our metric, one to our destination.
const foreign = [
  '10.99.0.0/24 via 192.168.70.1 metric 110',
  '10.244.2.0/24 via 192.168.70.1 metric 5000',
]
for (const route of foreign) await a.namespace.ip(`route add ${route}`)

const settingsOf = (node: RoutedNode, mode: RouteMode): RoutesSettings => ({
  nodeName: node.name,
  families,
  mode,
  clusterCIDRs: [],
  noMasqueradeCIDRs: [],
  masquerade: 'nftables',
  mtu: undefined,
  vxlan: { vni: 110, port: 8472 },
  mtuFile: mtuFile(node),
})

/** Stops what runs, and starts it in another mode, one node after the other. */
const processes = new Map<RoutedNode, RoutesProcess>()
async function start(
  mode: RouteMode,
  nodes: readonly RoutedNode[] = net.nodes,
  settings: Partial<RoutesSettings> = {},
): Promise<void> {
  for (const node of nodes) {
    await processes.get(node)?.stop('SIGKILL')
    const routes = new RoutesProcess(node.namespace, { ...settingsOf(node, mode), ...settings })
    processes.set(node, routes)
    routes.setNodes(objects)
    await routes.settled()
  }
}

const setNodes = (nodes: readonly Node[]) => {
  for (const routes of processes.values()) routes.setNodes(nodes)
}

/** `DESTINATION DEVICE` of the routes that are ours. */
async function ours(node: RoutedNode): Promise<readonly string[]> {
  const texts = await Promise.all(
    [4, 6].map(family => node.namespace.ip(`-${family} -j route show proto 110`)),
  )
  return texts
    .flatMap(text => JSON.parse(text || '[]') as { dst: string; dev: string }[])
    .map(({ dst, dev }) => `${dst} ${dev}`)
    .sort()
}

/** The MAC of a node's end of the tunnel. */
async function macOf(node: RoutedNode): Promise<string> {
  const text = await node.namespace.ip('link show nodeplane-vx4')
  return /link\/ether (\S+)/.exec(text)?.[1] ?? ''
}

const forwarding = async (node: RoutedNode): Promise<string> =>
  (await node.namespace.exec('bridge', ['fdb', 'show', 'dev', 'nodeplane-vx4'])).stdout

/** What `to` sees as the source of a connection. */
async function sourceSeen(from: RoutedNode['pod'], host: string): Promise<string | undefined> {
  const [answer] = await ask(from, { protocol: 'tcp', host, port: PORT })
  return answer
}

/** Every way from one node to another, with the source that has to be seen. */
async function checkWays(t: Test, mode: RouteMode): Promise<void> {
  const checks = [
    [a, b],
    [b, c],
    [c, a],
  ].flatMap(([from, to]) => families.map(family => ({ from, to, family })))
  for (const { from, to, family } of checks as {
    from: RoutedNode
    to: RoutedNode
    family: 4 | 6
  }[]) {
    const way = `IPv${family} ${from.name} to ${to.name}`
    const isTunnelled = mode === 'vxlan' || from === c || to === c
    const [podToPod, nodeToPod, podToNode] = await Promise.all([
      sourceSeen(from.pod, to.podIp[family]),
      sourceSeen(from.namespace, to.podIp[family]),
      sourceSeen(from.pod, to.ip[family]),
    ])
    t.equal(podToPod, `pod-${to.name} ${from.podIp[family]}`, `${way}: pod to pod`)
    const nodeSource = (isTunnelled ? from.vtep : from.ip)[family]
    t.equal(nodeToPod, `pod-${to.name} ${nodeSource}`, `${way}: node to pod`)
    t.equal(podToNode, `node-${to.name} ${from.podIp[family]}`, `${way}: pod to node`)
  }
}

/** A connection that stays: what is sent comes back. */
async function openEcho(from: TestNamespace, to: TestNamespace, host: string) {
  const server = to.spawn('ncat', ['-l', host, '7001', '--exec', '/bin/cat'], { stdio: 'ignore' })
  await eventually('the echo server to listen', async () =>
    (await to.exec('ss', ['-Hltn', 'sport', '=', ':7001'])).stdout.includes('7001'),
  )
  const client = from.spawn('ncat', [host, '7001'], { stdio: ['pipe', 'pipe', 'inherit'] })
  let heard = ''
  client.stdout?.on('data', (chunk: Buffer) => {
    heard += chunk.toString()
  })
  return {
    async says(text: string): Promise<boolean> {
      client.stdin?.write(`${text}\n`)
      return await eventually(`the echo of ${text}`, () => heard.endsWith(`${text}\n`))
    },
    close(): void {
      client.kill()
      server.kill()
    },
  }
}

const NEAR = ['10.244.2.0/24 eth0', 'fd00:244:2::/64 eth0']
const FAR = ['10.244.3.0/24 nodeplane-vx4', 'fd00:244:3::/64 nodeplane-vx6']
const NEAR_AND_FAR = [...NEAR, ...FAR].sort()

/** Until a's routes are these. */
const routesOfA = (what: string, wanted: readonly string[]) =>
  eventually(what, async () => isDeepStrictEqual(await ours(a), wanted))

t.test('nothing is written before the own node has a podCIDR', async t => {
  const routes = new RoutesProcess(a.namespace, settingsOf(a, 'auto'))
  routes.setNodes([{ ...a.object, podCIDRs: [] }, b.object, c.object])
  await routes.status('there is no podCIDR yet: a')
  t.strictSame(await ours(a), [])
  routes.setNodes(objects)
  await routes.settled()
  t.strictSame(await ours(a), NEAR_AND_FAR)
  await routes.stop('SIGTERM')
})

t.test('auto: host routes on the shared link, a tunnel behind the router, no NAT', async t => {
  await start('auto')
  t.strictSame(await ours(a), NEAR_AND_FAR)
  await checkWays(t, 'auto')
})

t.test('what pods send outside has the address of their node', async t => {
  for (const [node, link] of [
    [a, 70],
    [c, 71],
  ] as const) {
    t.equal(await sourceSeen(node.pod, `192.168.${link}.1`), `outside ${node.ip[4]}`)
    t.equal(await sourceSeen(node.pod, `fd00:${link}::1`), `outside ${node.ip[6]}`)
  }
})

t.test('the MTU that is offered passes the tunnel; larger segments are not tried', async t => {
  const mtu = Number(await readFile(mtuFile(a), 'utf8'))
  // The smaller of 1500 - 50 and 1500 - 70, since a pod has one link for both families.
  t.equal(mtu, 1430)
  // Less the headers of IP and ICMP.
  const largest = { 4: mtu - 28, 6: mtu - 48 }
  for (const family of families) {
    const size = String(largest[family])
    const words = ['-c', '1', '-W', '5', '-M', 'do', '-s', size, c.podIp[family]]
    await t.resolves(a.pod.exec('ping', words), `IPv${family}`)
  }
  // Pods with an MTU of 1500, in a network that loses the word of packets too big.
  for (const { pod } of [a, c]) await pod.exec('nft', ['-f', '-'], { input: DROP_TOO_BIG })
  for (const family of families) t.equal(await transfer(c.podIp[family]), '300000', `IPv${family}`)
  for (const { pod } of [a, c]) await pod.exec('nft', ['delete', 'table', 'inet', 'lossy'])
})

/** How many bytes of 300,000 come from c's pod to a's. */
async function transfer(host: string): Promise<string> {
  const give = ['--send-only', '--exec', '/usr/bin/head -c 300000 /dev/zero']
  const server = c.pod.spawn('ncat', ['-l', host, '7002', ...give], { stdio: 'ignore' })
  const take = `timeout 10 ncat --recv-only ${host} 7002 | wc -c`
  const received = await eventually('the transfer', async () => {
    const { stdout } = await a.pod.exec('sh', ['-c', take])
    return stdout.trim() !== '0' && stdout.trim()
  })
  server.kill()
  return received
}

t.test('what somebody removes is put back', async t => {
  await a.namespace.ip('route flush proto 110')
  await routesOfA('the routes of IPv4', NEAR_AND_FAR)
  await a.namespace.ip('-6 route flush proto 110')
  await routesOfA('the routes of IPv6', NEAR_AND_FAR)
  await a.namespace.ip('link delete nodeplane-vx4')
  await routesOfA('the tunnel', NEAR_AND_FAR)
  const entry = `${await macOf(c)} dev nodeplane-vx4 dst ${c.ip[4]}`
  await eventually('the tunnel to know c', async () => (await forwarding(a)).includes(c.ip[4]))
  await a.namespace.ip('neighbour flush nud permanent dev nodeplane-vx4')
  await a.namespace.exec('bridge', `fdb del ${entry}`.split(' '))
  await eventually('the peer', async () => (await forwarding(a)).includes(c.ip[4]))
  await a.namespace.exec('nft', ['flush', 'ruleset'])
  await eventually(
    'the rules',
    async () => (await sourceSeen(a.pod, '192.168.70.1')) === `outside ${a.ip[4]}`,
  )
  t.equal(await sourceSeen(a.pod, c.podIp[4]), `pod-c ${a.podIp[4]}`)
})

t.test('routes come back with the uplink', async t => {
  await a.namespace.ip('link set eth0 down')
  await a.namespace.ip('link set eth0 up')
  // The kernel forgets IPv6 addresses of a link that goes down.
  await a.namespace.ip(`address replace ${a.ip[6]}/64 dev eth0 nodad`)
  await a.namespace.ip('route replace default via 192.168.70.1')
  await a.namespace.ip('-6 route replace default via fd00:70::1')
  await a.namespace.ip(`route add ${foreign[0]}`)
  await a.namespace.ip(`route add ${foreign[1]}`)
  await routesOfA('the routes', NEAR_AND_FAR)
  for (const family of families) {
    t.equal(await sourceSeen(a.pod, c.podIp[family]), `pod-c ${a.podIp[family]}`)
  }
})

t.test('nodes that go take their routes and tunnels along', async t => {
  setNodes([a.object, c.object])
  await routesOfA('only the routes to c', FAR)
  setNodes([a.object, b.object])
  await routesOfA('only the routes to b', NEAR)
  await eventually(
    'the tunnels to go',
    async () => !(await a.namespace.ip('link show')).includes('nodeplane-vx'),
  )
  setNodes(objects)
  await routesOfA('all routes', NEAR_AND_FAR)
  t.equal(await sourceSeen(a.pod, c.podIp[6]), `pod-c ${a.podIp[6]}`)
})

t.test('a node that claims the world, or the ranges of others, changes nothing', async t => {
  const named = (name: string, podCIDRs: readonly string[]): Node => ({
    ...c.object,
    metadata: { ...c.object.metadata, name },
    addresses: [
      { type: 'InternalIP', address: '192.168.70.66' },
      { type: 'InternalIP', address: 'fd00:70::66' },
    ],
    podCIDRs,
  })
  setNodes([
    ...objects,
    named('x', ['10.244.1.0/25', 'fd00:244:2::/48']),
    named('y', ['0.0.0.0/0', '::/0']),
    named('z', ['10.244.9.0/24']),
  ])
  // The last one is all right, so that there is something to wait for.
  await routesOfA('the route to z', [...NEAR_AND_FAR, '10.244.9.0/24 eth0'].sort())
  setNodes(objects)
  await routesOfA('the routes of before', NEAR_AND_FAR)
  t.equal(await sourceSeen(a.pod, b.podIp[4]), `pod-b ${a.podIp[4]}`)
})

t.test('an own Node that cannot be used leaves everything as it is', async t => {
  const bad = [
    { ...a.object, podCIDRs: ['0.0.0.0/0', 'fd00:244:1::/64'] },
    { ...a.object, podCIDRs: ['10.244.1.0/99'] },
    { ...a.object, addresses: [{ type: 'InternalIP', address: a.ip[6] }] },
  ]
  const why = 'the own node has no address or podCIDR of IPv4 that can be used'
  for (const object of bad) {
    setNodes([object, b.object, c.object])
    await processes.get(a)?.status(why)
    t.strictSame(await ours(a), NEAR_AND_FAR)
    setNodes(objects)
    await processes.get(a)?.settled()
  }
  const elsewhere = [{ type: 'InternalIP', address: '192.168.70.99' }]
  setNodes([{ ...a.object, addresses: elsewhere, podCIDRs: ['10.244.1.0/24'] }, b.object, c.object])
  await processes.get(a)?.status('no link has the address 192.168.70.99')
  // It is of IPv4 alone now, so that its routes of IPv6 go.
  await routesOfA(
    'those of IPv4',
    NEAR_AND_FAR.filter(each => each.startsWith('10.')),
  )
  setNodes(objects)
  await routesOfA('all routes', NEAR_AND_FAR)
})

t.test('a node that changes its address keeps its route, by another next hop', async t => {
  const nextHops = () => a.namespace.ip('route show proto 110')
  await b.namespace.ip('address add 192.168.70.22/24 dev eth0')
  const addresses = ['192.168.70.22', b.ip[6]].map(address => ({ type: 'InternalIP', address }))
  setNodes([a.object, { ...b.object, addresses }, c.object])
  await eventually('the new next hop', async () => (await nextHops()).includes('.70.22 '))
  t.equal(await sourceSeen(a.pod, b.podIp[4]), `pod-b ${a.podIp[4]}`)
  setNodes(objects)
  await eventually('the former next hop', async () => (await nextHops()).includes('.70.12 '))
})

t.test('connections live on when the mode changes, and while nothing runs', async t => {
  const near = await openEcho(a.pod, b.pod, b.podIp[4])
  const far = await openEcho(a.pod, c.pod, c.podIp[6])
  t.ok(await near.says('one'))
  t.ok(await far.says('one'))
  await start('vxlan')
  t.strictSame(
    await ours(a),
    [...FAR, '10.244.2.0/24 nodeplane-vx4', 'fd00:244:2::/64 nodeplane-vx6'].sort(),
  )
  t.ok(await near.says('two'))
  t.ok(await far.says('two'))
  await checkWays(t, 'vxlan')
  await start('hostGW', [a, b])
  t.strictSame(await ours(a), NEAR)
  t.ok(await near.says('three'))
  near.close()
  far.close()
})

t.test('iptables does the same as nftables', async t => {
  await start('auto', [a, b, c], { masquerade: 'iptables' })
  t.notMatch((await a.namespace.exec('nft', ['list', 'tables'])).stdout, 'nodeplane_routes')
  t.equal(await sourceSeen(a.pod, '192.168.70.1'), `outside ${a.ip[4]}`)
  t.equal(await sourceSeen(a.pod, 'fd00:70::1'), `outside ${a.ip[6]}`)
  t.equal(await sourceSeen(a.pod, c.podIp[4]), `pod-c ${a.podIp[4]}`)
  t.equal(await sourceSeen(a.pod, b.ip[6]), `node-b ${a.podIp[6]}`)
})

t.test('routes outlive the process; the clean-up leaves what others made, no more', async t => {
  for (const node of net.nodes) {
    await processes.get(node)?.stop('SIGTERM')
    t.equal((await ours(node)).length, 4)
    await cleanupRoutesIn(node.namespace, mtuFile(node))
    t.strictSame(await ours(node), [])
    t.notMatch(await node.namespace.ip('link show'), 'nodeplane-vx')
    t.notMatch((await node.namespace.exec('nft', ['list', 'ruleset'])).stdout, /nodeplane/i)
    await t.rejects(readFile(mtuFile(node)), { code: 'ENOENT' })
  }
  const left = await a.namespace.ip('route show')
  for (const route of foreign) t.match(left, route.replace(' metric', ' dev eth0 metric'))
  await t.resolves(cleanupRoutesIn(a.namespace, mtuFile(a)), 'a second time')
})
