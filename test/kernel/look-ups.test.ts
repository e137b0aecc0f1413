import { once } from 'node:events'
import t from 'tap'
import { NetworkNamespace } from '#linux/namespace.ts'
import { listNamespaces } from '#linux/namespace-list.ts'
import { lookUpRoute } from '#linux/netlink/route-lookup.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { askByUdp } from '#linux/udp-question.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { eventually } from '../helper/eventually.ts'
import { Topology } from '../helper/topology.ts'

const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
const ip = (text: string) => parseIp(text) as IpAddress
const [first, second] = net.pods as readonly [Topology['pods'][number], Topology['pods'][number]]
using node = NetworkNamespace.open(net.node.path)

t.test('the route to an address, as the kernel takes it', async t => {
  using socket = NetlinkSocket.open(node)
  t.match(await lookUpRoute(socket, ip('10.244.1.2')), {
    kind: 'unicast',
    prefix: { address: '10.244.1.0', length: 24 },
    gateway: undefined,
  })
  t.match(await lookUpRoute(socket, ip('fd00:244:1::2')), {
    kind: 'unicast',
    prefix: { address: 'fd00:244:1::', length: 64 },
  })
  t.match(await lookUpRoute(socket, ip('203.0.113.1')), {
    kind: 'unicast',
    prefix: { length: 0 },
    gateway: '192.168.50.2',
  })
  t.strictSame(await lookUpRoute(socket, ip('192.168.50.1')), { kind: 'local' })
})

t.test('no route is an answer, whatever it is called', async t => {
  for (const type of ['unreachable', 'blackhole', 'prohibit']) {
    await net.node.ip(`route add ${type} 198.51.100.0/24`)
    using socket = NetlinkSocket.open(node)
    t.match(await lookUpRoute(socket, ip('198.51.100.1')), { kind: 'none' }, type)
    await net.node.ip(`route del ${type} 198.51.100.0/24`)
  }
  await first.namespace.ip('route del default')
  await first.namespace.ip('-6 route del default')
  using namespace = NetworkNamespace.open(first.namespace.path)
  using socket = NetlinkSocket.open(namespace)
  t.strictSame(await lookUpRoute(socket, ip('203.0.113.1')), { kind: 'none', reason: 'no route' })
  t.strictSame(await lookUpRoute(socket, ip('2001:db8::1')), { kind: 'none', reason: 'no route' })
})

t.test('all namespaces with their addresses, but not the own one', async t => {
  const found = listNamespaces()
  const paths = found.map(({ path }) => path)
  for (const namespace of [net.node, first.namespace, second.namespace]) {
    t.ok(paths.includes(namespace.path))
  }
  const addresses = found.find(({ path }) => path === second.namespace.path)?.addresses ?? []
  t.ok(addresses.some(({ link, address }) => link === 'eth0' && address === '10.244.1.3'))
  t.equal(new Set(paths).size, paths.length)
})

t.test('a datagram is sent from the namespace that is named', async t => {
  const child = first.namespace.spawn('ncat', ['-ulk', '9000', '-c', 'echo $NCAT_REMOTE_ADDR'], {
    stdio: 'ignore',
  })
  t.teardown(() => child.kill())
  await once(child, 'spawn')
  using namespace = NetworkNamespace.open(second.namespace.path)
  const question = { address: ip(first.ip4), port: 9000, packet: Buffer.from('x'), timeoutMs: 500 }
  let answer: unknown = 'refused'
  for (let attempt = 0; attempt < 20 && typeof answer === 'string'; attempt++) {
    answer = await askByUdp({ ...question, namespace })
  }
  t.equal(String(answer).trim(), second.ip4)
  // The attempts above may have used up what the kernel allows of ICMP errors a second (icmp_ratelimit).
  await eventually('a refusal', async () => {
    return (await askByUdp({ ...question, port: 9001, namespace })) === 'refused'
  })
  t.equal(
    await askByUdp({ ...question, address: ip('203.0.113.9'), timeoutMs: 50, namespace }),
    'silent',
  )
})
