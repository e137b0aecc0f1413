import t from 'tap'
import { encodeAddress } from '#linux/netlink/address.ts'
import { encodeLinkQuery } from '#linux/netlink/link-message.ts'
import { encodeNeighbour } from '#linux/netlink/neighbour.ts'
import { encodeRoute, type Route } from '#linux/netlink/route.ts'
import type { IpAddress } from '#net/ip.ts'
import type { MacAddress } from '#net/mac.ts'
import { ROUTE_PROTOCOL } from '../../src/routes/route-diff.ts'
import { concerns, type Watched } from '../../src/routes/watch.ts'
import { prefix } from '../helper/routes.ts'

const UPLINK = 2
const TUNNEL = 7
const POD_LINK = 9
const watched: Watched = {
  links: new Set([UPLINK, TUNNEL]),
  tunnels: new Set([TUNNEL]),
  destinations: new Set(['10.244.2.0/24']),
  isIncomplete: false,
}
const [NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE, NEWNEIGH, DELNEIGH] = [
  16, 17, 20, 21, 24, 25, 28, 29,
]
const address = (linkIndex: number) => encodeAddress({ linkIndex, prefix: prefix('192.0.2.1/24') })
const route = (destination: string, fields: Partial<Route> = {}) =>
  encodeRoute({ destination: prefix(destination), linkIndex: UPLINK, gateways: [], ...fields })
const neighbour = (linkIndex: number) =>
  encodeNeighbour({
    table: 'neighbours',
    linkIndex,
    address: '10.244.2.0' as IpAddress,
    mac: '02:00:00:00:00:0a' as MacAddress,
  })
const ours = { protocol: ROUTE_PROTOCOL }

const events: readonly { title: string; type: number; payload: Buffer; want: boolean }[] = [
  {
    title: 'the uplink changes',
    type: NEWLINK,
    payload: encodeLinkQuery({ index: UPLINK }),
    want: true,
  },
  {
    title: 'the uplink goes',
    type: DELLINK,
    payload: encodeLinkQuery({ index: UPLINK }),
    want: true,
  },
  {
    title: "a pod's link comes",
    type: NEWLINK,
    payload: encodeLinkQuery({ index: POD_LINK }),
    want: false,
  },
  { title: 'the uplink loses an address', type: DELADDR, payload: address(UPLINK), want: true },
  { title: 'the bridge gets an address', type: NEWADDR, payload: address(POD_LINK), want: false },
  { title: 'a peer goes', type: DELNEIGH, payload: neighbour(TUNNEL), want: true },
  { title: 'the router is heard of', type: NEWNEIGH, payload: neighbour(UPLINK), want: false },
  { title: 'a pod is looked for', type: NEWNEIGH, payload: neighbour(POD_LINK), want: false },
  {
    title: 'a route of ours goes',
    type: DELROUTE,
    payload: route('10.244.2.0/24', ours),
    want: true,
  },
  {
    title: 'a route of ours comes: we made it',
    type: NEWROUTE,
    payload: route('10.244.2.0/24', ours),
    want: false,
  },
  {
    title: 'somebody takes a destination of ours',
    type: NEWROUTE,
    payload: route('10.244.2.0/24'),
    want: true,
  },
  { title: 'somebody gives one back', type: DELROUTE, payload: route('10.244.2.0/24'), want: true },
  {
    title: 'a route of somebody else',
    type: DELROUTE,
    payload: route('10.99.0.0/24'),
    want: false,
  },
  { title: 'something else', type: 3, payload: Buffer.alloc(4), want: false },
]
for (const { title, type, payload, want } of events) {
  t.test(`${title}: ${want ? 'compared' : 'passed over'}`, async t => {
    t.equal(concerns({ type, flags: 0, sequence: 0, payload }, watched), want)
  })
}

t.test('while an uplink is missing any link or address may be the one', async t => {
  const missing = { ...watched, isIncomplete: true }
  const message = { flags: 0, sequence: 0 }
  t.ok(concerns({ ...message, type: NEWADDR, payload: address(POD_LINK) }, missing))
  t.ok(
    concerns({ ...message, type: NEWLINK, payload: encodeLinkQuery({ index: POD_LINK }) }, missing),
  )
})
