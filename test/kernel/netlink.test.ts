import { readdirSync } from 'node:fs'
import t from 'tap'
import { netlinkPort } from '#linux/libc.ts'
import { NetworkNamespace } from '#linux/namespace.ts'
import { ensureAddress, listAddresses, removeAddress } from '#linux/netlink/address.ts'
import { isExists, isNotFound, NetlinkError } from '#linux/netlink/error.ts'
import {
  changeLink,
  createBridge,
  createVeth,
  findLink,
  type Link,
  listLinks,
  removeLink,
} from '#linux/netlink/link.ts'
import { ownAddresses } from '#linux/netlink/own-addresses.ts'
import { addRoute, listRoutes, removeRoute, replaceRoute } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type IpAddress, isLinkLocal } from '#net/ip.ts'
import { parseMac } from '#net/mac.ts'
import { formatPrefix, type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix
const ip = (text: string): IpAddress => prefix(`${text}/32`).address

async function linkNamed(socket: NetlinkSocket, name: string): Promise<Link> {
  const link = await findLink(socket, name)
  if (link === undefined) throw new Error(`no link ${name}`)
  return link
}

/** A host and a pod with a socket in each. */
async function setup(stack: AsyncDisposableStack) {
  const host = stack.use(await TestNamespace.create('host'))
  const pod = stack.use(await TestNamespace.create('pod'))
  const hostNamespace = stack.use(NetworkNamespace.open(host.path))
  const podNamespace = stack.use(NetworkNamespace.open(pod.path))
  return {
    host,
    pod,
    podNamespace,
    hostSocket: stack.use(NetlinkSocket.open(hostNamespace)),
    podSocket: stack.use(NetlinkSocket.open(podNamespace)),
  }
}

t.test('a netfilter socket is gone soon after its end, which other threads wait for', async t => {
  const sockets = () =>
    readdirSync('/proc/self/fd').filter(name => netlinkPort(Number(name)) !== undefined)
  const before = sockets()
  const NETLINK_NETFILTER = 12
  const socket = NetlinkSocket.open(undefined, NETLINK_NETFILTER)
  t.not(sockets().length, before.length)
  socket[Symbol.dispose]()
  await eventually('its descriptors to be closed', () => sockets().length === before.length)
})

t.test('own addresses: of links that are up, without carrier or down, but of one link', async t => {
  await using stack = new AsyncDisposableStack()
  const { host } = await setup(stack)
  using namespace = NetworkNamespace.open(host.path)
  for (const words of [
    'link add wired type veth peer name peer',
    'link set peer up',
    'link set wired up',
    'address add 192.0.2.1/24 dev wired',
    'address add 2001:db8::1/64 dev wired nodad',
    // Its other end is down, as the cable of a switch that is off.
    'link add plain type veth peer name unplugged',
    'link set plain up',
    'address add 192.0.2.2/24 dev plain',
    'address add 2001:db8::2/64 dev plain nodad',
    'address add 192.0.2.2/25 dev plain',
    'link add idle type veth peer name other',
    'address add 192.0.2.3/32 peer 192.0.2.99 dev idle',
    'link add services type bridge',
    'address add 10.96.0.1/32 dev services',
  ]) {
    await host.ip(words)
  }
  const addresses = (except: string) =>
    namespace
      .run(() => ownAddresses(except))
      .filter(address => !isLinkLocal(address))
      .sort()
  const want = [
    '127.0.0.1',
    '192.0.2.1',
    '192.0.2.2',
    '192.0.2.3',
    '2001:db8::1',
    '2001:db8::2',
    '::1',
  ]
  t.strictSame(addresses('services'), want)
  t.strictSame(addresses('no-such-link'), ['10.96.0.1', ...want])
})

t.test('own addresses: more than one answer of the kernel holds', async t => {
  await using stack = new AsyncDisposableStack()
  const { host } = await setup(stack)
  using namespace = NetworkNamespace.open(host.path)
  const numbers = Array.from({ length: 1000 }, (_, index) => index)
  const input = numbers
    .map(number => `address add 10.9.${number >> 8}.${number & 255}/32 dev lo\n`)
    .join('')
  await host.exec('ip', ['-batch', '-'], { input })
  t.equal(namespace.run(() => ownAddresses('none')).length, numbers.length + 2)
})

t.test('a veth pair appears as a port of the bridge and in the pod at once', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, podNamespace, hostSocket, podSocket } = await setup(stack)
  const mac = parseMac('02:00:00:00:00:01')
  await createBridge(hostSocket, { name: 'br.0', mac, mtu: 1400 })
  const bridge = await linkNamed(hostSocket, 'br.0')
  t.match(bridge, { kind: 'bridge', mac, mtu: 1400, isUp: false })

  const podMac = parseMac('02:00:00:00:00:02')
  await createVeth(hostSocket, {
    name: 'veth0',
    mtu: 1400,
    masterIndex: bridge.index,
    peer: { name: 'eth0', mac: podMac, namespaceFd: podNamespace.fd },
  })
  const near = await linkNamed(hostSocket, 'veth0')
  const far = await linkNamed(podSocket, 'eth0')
  t.match(near, { kind: 'veth', mtu: 1400, masterIndex: bridge.index, isUp: false })
  t.match(far, { kind: 'veth', mtu: 1400, mac: podMac, isUp: false })
  t.equal(near.peerIndex, far.index)
  t.equal(far.peerIndex, near.index)

  await changeLink(hostSocket, near.index, {
    isUp: true,
    alias: 'a network/an id/eth0',
    bridgePort: { hairpin: true, isolated: true },
  })
  t.match(await linkNamed(hostSocket, 'veth0'), {
    isUp: true,
    alias: 'a network/an id/eth0',
    bridgePort: { hairpin: true, isolated: true },
  })
  t.match(await host.ip('-d link show veth0'), /hairpin on.*isolated on/)
  await changeLink(hostSocket, near.index, { bridgePort: { hairpin: false, isolated: false } })
  t.match(await linkNamed(hostSocket, 'veth0'), {
    isUp: true,
    bridgePort: { hairpin: false, isolated: false },
  })

  t.equal(await removeLink(hostSocket, 'veth0'), true)
  t.equal(await removeLink(hostSocket, 'veth0'), false)
  t.equal(await findLink(podSocket, 'eth0'), undefined)
})

t.test('a link can be set up, promiscuous, renumbered and taken out of its bridge', async t => {
  await using stack = new AsyncDisposableStack()
  const { hostSocket } = await setup(stack)
  await createBridge(hostSocket, { name: 'br0' })
  const bridge = await linkNamed(hostSocket, 'br0')
  await createVeth(hostSocket, { name: 'a', masterIndex: bridge.index, peer: { name: 'b' } })
  const port = await linkNamed(hostSocket, 'a')
  const mac = parseMac('02:00:00:00:00:03')
  await changeLink(hostSocket, port.index, {
    isUp: true,
    isPromiscuous: true,
    mtu: 1300,
    masterIndex: 0,
    ...(mac === undefined ? {} : { mac }),
  })
  const changed = await linkNamed(hostSocket, 'a')
  t.match(changed, { isUp: true, isPromiscuous: true, mtu: 1300, mac })
  t.equal(changed.masterIndex, undefined)
  t.equal(changed.bridgePort, undefined)
  await changeLink(hostSocket, port.index, { isUp: false, isPromiscuous: false })
  t.match(await linkNamed(hostSocket, 'a'), { isUp: false, isPromiscuous: false })
  t.same((await listLinks(hostSocket)).map(({ name }) => name).sort(), ['a', 'b', 'br0', 'lo'])
})

t.test("a refusal carries operation, errno and the kernel's sentence", async t => {
  await using stack = new AsyncDisposableStack()
  const { hostSocket } = await setup(stack)
  await createBridge(hostSocket, { name: 'br0' })
  const again = await createBridge(hostSocket, { name: 'br0' }).catch((error: unknown) => error)
  t.ok(isExists(again))
  t.notOk(isNotFound(again))
  t.match((again as Error).message, 'create bridge br0: EEXIST')

  const { index } = await linkNamed(hostSocket, 'br0')
  await changeLink(hostSocket, index, { isUp: true })
  const unreachable = await addRoute(hostSocket, {
    destination: prefix('0.0.0.0/0'),
    linkIndex: index,
    gateways: [ip('192.0.2.1')],
  }).catch((error: unknown) => error)
  t.ok(unreachable instanceof NetlinkError)
  t.match(unreachable, {
    operation: 'add route to 0.0.0.0/0 via 192.0.2.1',
    errno: 101,
    sentence: 'Nexthop has invalid gateway',
  })
})

t.test('addresses can be used at once, are listed per link, and go once', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, hostSocket } = await setup(stack)
  await createBridge(hostSocket, { name: 'br0' })
  const { index: linkIndex } = await linkNamed(hostSocket, 'br0')
  await changeLink(hostSocket, linkIndex, { isUp: true })
  for (const text of ['10.22.0.1/24', 'fd00:22::1/64']) {
    t.equal(await ensureAddress(hostSocket, { linkIndex, prefix: prefix(text) }), true)
    t.equal(await ensureAddress(hostSocket, { linkIndex, prefix: prefix(text) }), false)
  }
  const listed = (await listAddresses(hostSocket, linkIndex)).filter(each => each.isGlobal)
  t.same(listed.map(each => formatPrefix(each.prefix)).sort(), ['10.22.0.1/24', 'fd00:22::1/64'])
  t.ok(listed.every(each => !each.isTentative && !each.isDuplicate && each.linkIndex === linkIndex))
  t.match(await host.ip('-4 address show dev br0'), 'brd 10.22.0.255')
  t.equal(await removeAddress(hostSocket, { linkIndex, prefix: prefix('10.22.0.1/24') }), true)
  t.equal(await removeAddress(hostSocket, { linkIndex, prefix: prefix('10.22.0.1/24') }), false)

  await ensureAddress(hostSocket, {
    linkIndex,
    prefix: prefix('fd00:23::1/64'),
    duplicateDetection: true,
  })
  const all = await listAddresses(hostSocket, linkIndex)
  t.ok(all.find(each => each.prefix.address === ip('fd00:23::1') || each.isTentative))
})

t.test('routes keep every attribute', async t => {
  await using stack = new AsyncDisposableStack()
  const { hostSocket } = await setup(stack)
  await createVeth(hostSocket, { name: 'a', peer: { name: 'b' } })
  const { index: linkIndex } = await linkNamed(hostSocket, 'a')
  await changeLink(hostSocket, linkIndex, { isUp: true })
  await changeLink(hostSocket, (await linkNamed(hostSocket, 'b')).index, { isUp: true })
  for (const text of ['10.22.0.2/24', 'fd00:22::2/64']) {
    await ensureAddress(hostSocket, { linkIndex, prefix: prefix(text) })
  }
  const cases = [
    { destination: '0.0.0.0/0', gateways: ['10.22.0.1'] },
    { destination: '10.30.0.0/16', gateways: ['10.22.0.1'], mtu: 1400, advmss: 1300, priority: 7 },
    { destination: '10.31.0.0/16', gateways: ['192.0.2.9'], isOnLink: true },
    { destination: '10.32.0.0/16', gateways: [], scope: 253, source: ip('10.22.0.2') },
    { destination: '10.33.0.0/16', gateways: ['10.22.0.1', '10.22.0.3'] },
    { destination: '10.34.0.0/16', gateways: ['10.22.0.1'], table: 1000 },
    { destination: '::/0', gateways: ['fd00:22::1'], priority: 9 },
    { destination: 'fd00:30::/64', gateways: ['fd00:22::1', 'fd00:22::3'], mtu: 1400 },
  ]
  for (const { destination, gateways, ...rest } of cases) {
    const route = {
      ...rest,
      destination: prefix(destination),
      linkIndex,
      gateways: gateways.map(ip),
    }
    t.equal(await addRoute(hostSocket, route), true, destination)
    t.equal(await addRoute(hostSocket, route), false, destination)
    const listed = await listRoutes(hostSocket, route.destination.family)
    const found = listed.find(each => formatPrefix(each.destination) === destination)
    t.match(found, route, destination)
    t.equal(await removeRoute(hostSocket, route), true, destination)
    t.equal(await removeRoute(hostSocket, route), false, destination)
  }
})

t.test('a replaced route has only the new gateway', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, hostSocket } = await setup(stack)
  await createBridge(hostSocket, { name: 'br0' })
  const { index: linkIndex } = await linkNamed(hostSocket, 'br0')
  await changeLink(hostSocket, linkIndex, { isUp: true })
  await ensureAddress(hostSocket, { linkIndex, prefix: prefix('10.22.0.2/24') })
  const destination = prefix('10.99.0.0/16')
  for (const gateway of ['10.22.0.3', '10.22.0.4']) {
    await replaceRoute(hostSocket, { destination, linkIndex, gateways: [ip(gateway)] })
  }
  t.match(
    await host.ip('route show 10.99.0.0/16'),
    /^10\.99\.0\.0\/16 via 10\.22\.0\.4 dev br0 [^\n]*\n$/,
  )
})

t.test('many requests and lists at once keep their answers apart', async t => {
  await using stack = new AsyncDisposableStack()
  const { hostSocket } = await setup(stack)
  const names = Array.from({ length: 20 }, (_, index) => `br${index}`)
  await Promise.all(names.map(name => createBridge(hostSocket, { name })))
  const [lists, links] = await Promise.all([
    Promise.all([1, 2, 3].map(() => listLinks(hostSocket))),
    Promise.all(names.map(name => linkNamed(hostSocket, name))),
  ])
  t.ok(lists.every(list => list.length === 21))
  t.same(
    links.map(({ name }) => name),
    names,
  )
  const removed = names.map(name => removeLink(hostSocket, name))
  t.ok((await Promise.all(removed)).every(Boolean))
  t.equal((await listLinks(hostSocket)).length, 1)
})

t.test('a socket that was closed refuses requests, also those under way', async t => {
  await using stack = new AsyncDisposableStack()
  const { hostSocket } = await setup(stack)
  await createBridge(hostSocket, { name: 'br0' })
  const underWay = removeLink(hostSocket, 'br0').catch((error: unknown) => error)
  const waiting = findLink(hostSocket, 'br0').catch((error: unknown) => error)
  hostSocket[Symbol.dispose]()
  t.match(await underWay, { code: 'ERR_NETLINK', errno: 107 })
  t.match(await waiting, { code: 'ERR_NETLINK', errno: 107 })
  await t.rejects(findLink(hostSocket, 'br0'), { message: 'ENOTCONN' })
})
