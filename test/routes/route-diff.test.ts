import t from 'tap'
import type { Route } from '#linux/netlink/route.ts'
import type { IpAddress } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import {
  diffRoutes,
  kernelRoutes,
  ROUTE_METRIC,
  ROUTE_PROTOCOL,
} from '../../src/routes/route-diff.ts'
import { prefix } from '../helper/routes.ts'

const ours = (destination: string, gateway: string, fields: Partial<Route> = {}): Route => ({
  destination: prefix(destination),
  linkIndex: 2,
  gateways: [gateway as IpAddress],
  priority: ROUTE_METRIC,
  protocol: ROUTE_PROTOCOL,
  // As the kernel lists it.
  table: 254,
  source: undefined,
  ...fields,
})
const b = ours('10.244.2.0/24', '192.0.2.2')
const c = ours('10.244.3.0/24', '10.244.3.0', { linkIndex: 7, source: '10.244.1.0' as IpAddress })

const cases: readonly {
  title: string
  wanted: readonly Route[]
  present: readonly Route[]
  want: { set?: readonly string[]; remove?: readonly string[]; taken?: readonly string[] }
}[] = [
  { title: 'what is there is not written again', wanted: [b, c], present: [c, b], want: {} },
  {
    title: 'what is missing is set',
    wanted: [b, c],
    present: [b],
    want: { set: ['10.244.3.0/24'] },
  },
  {
    title: 'what nobody wants is removed',
    wanted: [b],
    present: [b, c],
    want: { remove: ['10.244.3.0/24'] },
  },
  {
    title: 'another next hop is set in place of the former, which is not removed',
    wanted: [b],
    present: [{ ...b, gateways: ['192.0.2.9' as IpAddress] }],
    want: { set: ['10.244.2.0/24'] },
  },
  {
    title: 'so is another link',
    wanted: [b],
    present: [{ ...b, linkIndex: 3 }],
    want: { set: ['10.244.2.0/24'] },
  },
  {
    title: 'one of ours that somebody moved to another metric goes, and the right one comes',
    wanted: [b],
    present: [{ ...b, priority: 5 }],
    want: { set: ['10.244.2.0/24'], remove: ['10.244.2.0/24'] },
  },
  {
    title: 'routes of others stay, to the same destination too',
    wanted: [b],
    present: [b, { ...b, priority: 0, protocol: 3 }, { ...c, protocol: 4 }],
    want: {},
  },
  {
    title: 'a route of somebody else at our metric is not replaced',
    wanted: [b, c],
    present: [{ ...b, protocol: 3, gateways: [] }],
    want: { set: ['10.244.3.0/24'], taken: ['10.244.2.0/24'] },
  },
]
for (const { title, wanted, present, want } of cases) {
  t.test(title, async t => {
    const { set, remove, taken } = diffRoutes(wanted, present)
    const names = (routes: readonly Route[]) =>
      routes.map(({ destination }) => formatPrefix(destination))
    t.strictSame(
      { set: names(set), remove: names(remove), taken: names(taken) },
      { set: [], remove: [], taken: [], ...want },
    )
  })
}

t.test('a route whose link is not there is left out', async t => {
  const planned = {
    node: 'b',
    destination: prefix('10.244.2.0/24'),
    gateway: '192.0.2.2' as IpAddress,
    isOnLink: false,
    source: undefined,
  }
  const indexOf = (link: string) => (link === 'eth0' ? 2 : undefined)
  const routes = kernelRoutes(
    [
      { ...planned, link: 'eth0' },
      { ...planned, link: 'gone' },
    ],
    indexOf,
  )
  t.strictSame(diffRoutes(routes, [b]), { set: [], remove: [], taken: [] })
})
