import t from 'tap'
import type { Route } from '#linux/netlink/route.ts'
import type { IpAddress } from '#net/ip.ts'
import { planDifferences, type RoutesFound } from '../../src/routes/diff.ts'
import type { Plan } from '../../src/routes/plan.ts'
import { ROUTE_METRIC, ROUTE_PROTOCOL } from '../../src/routes/route-diff.ts'
import { prefix } from '../helper/routes.ts'

const gateway = '192.0.2.2' as IpAddress
const plan: Plan = {
  uplinks: [{ family: 4, link: 'eth0' }],
  routes: [
    {
      node: 'b',
      destination: prefix('10.244.2.0/24'),
      link: 'eth0',
      gateway,
      isOnLink: false,
      source: undefined,
    },
  ],
  tunnels: [],
  masquerades: [{ family: 4, pods: [], inside: [], tunnel: undefined }],
  mtu: 1500,
  refusals: [],
}
const route: Route = {
  destination: prefix('10.244.2.0/24'),
  linkIndex: 2,
  gateways: [gateway],
  priority: ROUTE_METRIC,
  protocol: ROUTE_PROTOCOL,
  table: 254,
}
const allThere: RoutesFound = {
  routes: [route],
  links: new Map([[2, 'eth0']]),
  notForwarding: [],
  withoutTable: [],
}
const text = '10.244.2.0/24 via 192.0.2.2 dev eth0'

const cases: readonly { title: string; found: Partial<RoutesFound>; want: readonly object[] }[] = [
  { title: 'nothing', found: {}, want: [] },
  { title: 'a missing route', found: { routes: [] }, want: [{ place: 'routes', wanted: text }] },
  {
    title: 'another way',
    found: { routes: [{ ...route, gateways: ['192.0.2.9' as IpAddress] }] },
    want: [{ place: 'routes', wanted: text, found: '10.244.2.0/24 via 192.0.2.9 dev eth0' }],
  },
  {
    title: 'a route of ours to nobody',
    found: { routes: [route, { ...route, destination: prefix('10.244.9.0/24') }] },
    want: [{ place: 'routes', found: '10.244.9.0/24 via 192.0.2.2 dev eth0' }],
  },
  {
    title: "others' routes are theirs",
    found: { routes: [route, { ...route, protocol: 4, priority: 0 }] },
    want: [],
  },
  {
    title: "somebody's route in the place of ours",
    found: { routes: [{ ...route, protocol: 4 }] },
    want: [{ place: 'routes', wanted: text, found: /somebody else's/ }],
  },
  {
    title: 'a missing link, and what cannot be without it',
    found: { links: new Map(), routes: [] },
    want: [
      { place: 'link eth0', wanted: 'is there' },
      { place: 'routes', wanted: text },
    ],
  },
  {
    title: 'packets that are not forwarded, and a missing table',
    found: { notForwarding: [4], withoutTable: [4] },
    want: [
      { place: 'sysctl net/ipv4/ip_forward', wanted: '1', found: '0' },
      { place: 'table ip nodeplane_routes', wanted: 'is there' },
    ],
  },
]
for (const { title, found, want } of cases) {
  t.test(title, t => {
    const differences = planDifferences(plan, { ...allThere, ...found })
    t.equal(differences.length, want.length)
    t.match(differences, want)
    t.end()
  })
}
