import fc from 'fast-check'
import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import { formatPrefix } from '#net/prefix.ts'
import { membersOf } from '../../src/routes/members.ts'
import { type PlannedRoute, planRoutes } from '../../src/routes/plan.ts'
import type { RoutesSettings } from '../../src/routes/settings.ts'
import { vtepOf } from '../../src/routes/vtep.ts'
import { node, prefix, routesSettings, uplink } from '../helper/routes.ts'

const a = node('a', ['192.0.2.1', '2001:db8::1'], ['10.244.1.0/24', 'fd00:244:1::/64'])
/** On a's link. */
const b = node('b', ['192.0.2.2', '2001:db8::2'], ['10.244.2.0/24', 'fd00:244:2::/64'])
/** Behind a router. */
const c = node('c', ['198.51.100.3', '2001:db8:c::3'], ['10.244.3.0/24', 'fd00:244:3::/64'])
const uplinks = new Map([uplink('192.0.2.1/24'), uplink('2001:db8::1/64')])

function plan(
  nodes: readonly Node[],
  fields: Partial<RoutesSettings> = {},
  links: Parameters<typeof planRoutes>[0]['uplinks'] = uplinks,
) {
  const settings = routesSettings(fields)
  return planRoutes({ settings, members: membersOf(nodes, settings).members, uplinks: links })
}

const textOf = ({ destination, gateway, link }: PlannedRoute) =>
  `${formatPrefix(destination)} via ${gateway} dev ${link}`
const gateway = (podCIDR: string) => vtepOf(prefix(podCIDR)).gateway
const direct = ['10.244.2.0/24 via 192.0.2.2 dev eth0', 'fd00:244:2::/64 via 2001:db8::2 dev eth0']
const toC = [
  '10.244.3.0/24 via 10.244.3.0 dev nodeplane-vx4',
  `fd00:244:3::/64 via ${gateway('fd00:244:3::/64')} dev nodeplane-vx6`,
]
const toBTunnelled = [
  '10.244.2.0/24 via 10.244.2.0 dev nodeplane-vx4',
  `fd00:244:2::/64 via ${gateway('fd00:244:2::/64')} dev nodeplane-vx6`,
]

const modes = [
  { mode: 'auto', routes: [...direct, ...toC], tunnels: ['c', 'c'], mtu: 1430 },
  { mode: 'vxlan', routes: [...toBTunnelled, ...toC], tunnels: ['b c', 'b c'], mtu: 1430 },
  { mode: 'hostGW', routes: direct, tunnels: [], mtu: 1500 },
] as const
for (const { mode, routes, tunnels, mtu } of modes) {
  t.test(`mode ${mode}: routes, peers of the tunnels and the MTU of pods`, async t => {
    const planned = plan([a, b, c], { mode })
    t.strictSame(planned.routes.map(textOf).sort(), [...routes].sort())
    t.strictSame(
      planned.tunnels.map(({ peers }) => peers.map(peer => peer.node).join(' ')),
      tunnels,
    )
    t.equal(planned.mtu, mtu)
  })
}

t.test('mode hostGW names the node that no link leads to', async t => {
  const { refusals } = plan([a, b, c], { mode: 'hostGW' })
  t.match(refusals, [
    {
      node: 'c',
      message: /^address 198\.51\.100\.3 is not on the link eth0: no route in mode hostGW$/,
    },
    { node: 'c', message: /^address 2001:db8:c::3 is not on the link/ },
  ])
})

t.test('a tunnel: device, own end, peers', async t => {
  const [four, six] = plan([a, c]).tunnels
  t.match(four, {
    family: 4,
    name: 'nodeplane-vx4',
    vni: 110,
    port: 8472,
    local: '192.0.2.1',
    // 20 IP, 8 UDP, 8 VXLAN and 14 Ethernet (RFC 7348 section 5).
    mtu: 1450,
    mac: vtepOf(prefix('10.244.1.0/24')).mac,
    address: { address: '10.244.1.0', length: 32 },
    peers: [
      {
        node: 'c',
        gateway: '10.244.3.0',
        mac: vtepOf(prefix('10.244.3.0/24')).mac,
        remote: '198.51.100.3',
      },
    ],
  })
  t.match(six, {
    mtu: 1430,
    local: '2001:db8::1',
    address: { address: 'fd00:244:1::', length: 128 },
    peers: [{ gateway: /^fe80::/, remote: '2001:db8:c::3' }],
  })
})

t.test('what the node itself sends into the tunnel has its end as source', async t => {
  const sources = plan([a, b, c]).routes.map(({ destination, source }) => [
    destination.address,
    source,
  ])
  t.strictSame(Object.fromEntries(sources), {
    '10.244.2.0': undefined,
    '10.244.3.0': '10.244.1.0',
    'fd00:244:2::': undefined,
    'fd00:244:3::': 'fd00:244:1::',
  })
})

t.test('masquerade: the own pods, but not to pods, nodes and configured ranges', async t => {
  const { masquerades } = plan([a, b, node('d', ['192.0.2.4'], [])], {
    clusterCIDRs: [prefix('10.244.0.0/16')],
    noMasqueradeCIDRs: [prefix('172.16.0.0/12'), prefix('fd00:5::/32')],
  })
  t.strictSame(
    masquerades.map(each => ({
      pods: each.pods.map(formatPrefix),
      inside: each.inside.map(formatPrefix),
      tunnel: each.tunnel,
    })),
    [
      {
        pods: ['10.244.1.0/24'],
        // Sorted, and 10.244.0.0/16 holds the podCIDRs.
        inside: ['10.244.0.0/16', '172.16.0.0/12', '192.0.2.1/32', '192.0.2.2/32', '192.0.2.4/32'],
        tunnel: undefined,
      },
      {
        pods: ['fd00:244:1::/64'],
        inside: [
          '2001:db8::1/128',
          '2001:db8::2/128',
          'fd00:5::/32',
          'fd00:244:1::/64',
          'fd00:244:2::/64',
        ],
        tunnel: undefined,
      },
    ],
  )
})

t.test(
  'masquerade: false leaves the sources of pods alone; the tunnel still tells sizes',
  async t => {
    const [four] = plan([a, c], { masquerade: false }).masquerades
    t.match(four, { pods: [], tunnel: 'nodeplane-vx4' })
  },
)

const without = [
  {
    title: 'no podCIDR of a family',
    nodes: [{ ...a, podCIDRs: ['10.244.1.0/24'] }, b, c],
    links: uplinks,
  },
  { title: 'no uplink of a family', nodes: [a, b, c], links: new Map([uplink('192.0.2.1/24')]) },
]
for (const { title, nodes, links } of without) {
  t.test(`${title}: the other family goes on alone`, async t => {
    const planned = plan(nodes, {}, links)
    t.strictSame(
      planned.routes.map(({ destination }) => destination.family),
      [4, 4],
    )
    t.strictSame(
      planned.masquerades.map(({ family }) => family),
      [4],
    )
    t.equal(planned.mtu, 1450)
  })
}

t.test('nothing of the own node: nothing is planned', async t => {
  t.strictSame(plan([b, c]), {
    uplinks: [],
    routes: [],
    tunnels: [],
    masquerades: [],
    mtu: undefined,
    refusals: [],
  })
})

t.test('the MTU: of the uplink, or as configured; jumbo frames too', async t => {
  const jumbo = new Map([uplink('192.0.2.1/24', { mtu: 9000 })])
  t.equal(plan([a], {}, jumbo).mtu, 8950)
  t.equal(plan([a], { mode: 'hostGW' }, jumbo).mtu, 9000)
  t.equal(plan([a], { mtu: 1400 }, jumbo).mtu, 1400)
})

t.test('an address in any subnet of the uplink is on the link', async t => {
  const connected = [prefix('192.0.2.0/24'), prefix('198.51.100.0/24')]
  const [route] = plan([a, c], {}, new Map([uplink('192.0.2.1/24', { connected })])).routes
  t.equal(route?.link, 'eth0')
})

const anyNode = fc
  .record({
    number: fc.integer({ min: 2, max: 12 }),
    range: fc.integer({ min: 1, max: 12 }),
    isNear: fc.boolean(),
  })
  .map(({ number, range, isNear }) =>
    node(
      `n${number}`,
      [
        `${isNear ? '192.0.2' : '198.51.100'}.${number}`,
        `2001:db8:${isNear ? '' : 'c'}::${number}`.replace(':::', '::'),
      ],
      [`10.244.${range}.0/24`, `fd00:244:${range}::/64`],
    ),
  )

t.test('any order of Nodes gives the same plan, with one route at most to a range', async t => {
  const lists = fc
    .uniqueArray(anyNode, { selector: ({ metadata }) => metadata.name, maxLength: 10 })
    .chain(list =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    )
  fc.assert(
    fc.property(lists, fc.constantFrom('auto', 'vxlan', 'hostGW'), ([list, shuffled], mode) => {
      const planned = plan([a, ...list], { mode })
      t.strictSame(plan([...shuffled, a], { mode }), planned)
      const destinations = planned.routes.map(({ destination }) => formatPrefix(destination))
      const tunnels = new Set(planned.tunnels.map(({ name }) => name))
      return (
        new Set(destinations).size === destinations.length &&
        !destinations.includes('10.244.1.0/24') &&
        planned.routes.every(({ link }) => link === 'eth0' || tunnels.has(link))
      )
    }),
    { numRuns: 200 },
  )
})
