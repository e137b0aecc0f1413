import fc from 'fast-check'
import t from 'tap'
import { planAddresses, planGateway, planRoutes } from '#cni/bridge/plan.ts'
import { type CniIp, type CniResult, type CniRoute, emptyResult } from '#cni/spec/result.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, parsePrefix } from '#net/prefix.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

const address = (text: string, gateway?: string): CniIp => ({
  address: prefix(text),
  ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
})
const route = (dst: string, gw?: string): CniRoute => ({
  dst: prefix(dst),
  ...(gw === undefined ? {} : { gw: ip(gw) }),
})

const addressCases: readonly {
  title: string
  settings: { isGateway: boolean; isDefaultGateway: boolean }
  ipam: Partial<CniResult>
  gateways?: readonly (string | undefined)[]
  routes?: readonly CniRoute[]
  bridge?: readonly string[]
}[] = [
  {
    title: 'without isGateway nothing is added',
    settings: { isGateway: false, isDefaultGateway: false },
    ipam: { ips: [address('10.22.0.5/24')] },
    gateways: [undefined],
    bridge: [],
  },
  {
    title: 'with isGateway a missing gateway is the address after the network',
    settings: { isGateway: true, isDefaultGateway: false },
    ipam: { ips: [address('10.22.7.5/16'), address('fd00:22::5/64')] },
    gateways: ['10.22.0.1', 'fd00:22::1'],
    bridge: ['10.22.0.1/16', 'fd00:22::1/64'],
  },
  {
    title: 'a given gateway stays',
    settings: { isGateway: true, isDefaultGateway: false },
    ipam: { ips: [address('10.22.0.5/24', '10.22.0.254')] },
    gateways: ['10.22.0.254'],
    bridge: ['10.22.0.254/24'],
  },
  {
    title: 'two addresses of one subnet need its gateway once',
    settings: { isGateway: true, isDefaultGateway: false },
    ipam: { ips: [address('10.22.0.5/24'), address('10.22.0.6/24')] },
    gateways: ['10.22.0.1', '10.22.0.1'],
    bridge: ['10.22.0.1/24'],
  },
  {
    title: 'isDefaultGateway adds a default route per family, after those of IPAM',
    settings: { isGateway: true, isDefaultGateway: true },
    ipam: {
      ips: [address('10.22.0.5/24'), address('10.23.0.5/24'), address('fd00:22::5/64')],
      routes: [route('10.96.0.0/12')],
    },
    routes: [route('10.96.0.0/12'), route('0.0.0.0/0', '10.22.0.1'), route('::/0', 'fd00:22::1')],
  },
  {
    title: 'a default route of IPAM counts, with or without a gateway; it is reported as it is',
    settings: { isGateway: true, isDefaultGateway: true },
    ipam: {
      ips: [address('10.22.0.5/24'), address('fd00:22::5/64')],
      routes: [route('0.0.0.0/0'), route('::/0', 'fd00:22::9')],
    },
    routes: [route('0.0.0.0/0'), route('::/0', 'fd00:22::9')],
  },
]

for (const { title, settings, ipam, ...want } of addressCases) {
  t.test(`addresses: ${title}`, async t => {
    const plan = planAddresses(settings, { ...emptyResult, ...ipam })
    if (want.gateways !== undefined)
      t.same(
        plan.ips.map(each => each.gateway),
        want.gateways,
      )
    if (want.routes !== undefined) t.same(plan.routes, want.routes)
    if (want.bridge !== undefined) t.same(plan.gatewayAddresses.map(formatPrefix), want.bridge)
  })
}

const routeCases: readonly {
  title: string
  ips: readonly CniIp[]
  routes: readonly CniRoute[]
  want: readonly { dst: string; gateways: readonly string[] }[]
}[] = [
  {
    title: 'without a gateway of its own a route takes that of the first address of its family',
    ips: [
      address('10.22.0.5/24', '10.22.0.1'),
      address('10.23.0.5/24', '10.23.0.1'),
      address('fd00:22::5/64', 'fd00:22::1'),
    ],
    routes: [route('0.0.0.0/0'), route('::/0'), route('10.96.0.0/12', '10.23.0.9')],
    want: [
      { dst: '0.0.0.0/0', gateways: ['10.22.0.1'] },
      { dst: '::/0', gateways: ['fd00:22::1'] },
      { dst: '10.96.0.0/12', gateways: ['10.23.0.9'] },
    ],
  },
  {
    title: 'without any gateway it leads directly to the link',
    ips: [address('10.22.0.5/24')],
    routes: [route('10.96.0.0/12')],
    want: [{ dst: '10.96.0.0/12', gateways: [] }],
  },
  {
    title: 'several gateways for one destination share it; the same twice is once',
    ips: [address('10.22.0.5/24', '10.22.0.1')],
    routes: [
      route('10.96.0.0/12', '10.22.0.7'),
      route('10.96.0.0/12', '10.22.0.8'),
      route('10.96.0.0/12', '10.22.0.7'),
    ],
    want: [{ dst: '10.96.0.0/12', gateways: ['10.22.0.7', '10.22.0.8'] }],
  },
  {
    title: 'another table or priority is another route',
    ips: [address('10.22.0.5/24', '10.22.0.1')],
    routes: [
      route('10.96.0.0/12'),
      { ...route('10.96.0.0/12'), table: 100 },
      { ...route('10.96.0.0/12'), priority: 5 },
    ],
    want: [1, 2, 3].map(() => ({ dst: '10.96.0.0/12', gateways: ['10.22.0.1'] })),
  },
]

for (const { title, ips, routes, want } of routeCases) {
  t.test(`routes: ${title}`, async t => {
    const planned = planRoutes({ ips, routes })
    t.same(
      planned.map(({ dst, gateways }) => ({ dst: formatPrefix(dst), gateways })),
      want,
    )
  })
}

t.test('routes: metric, table, scope and MTU are kept', async t => {
  const extras = { mtu: 1400, advmss: 1300, priority: 5, table: 100, scope: 0 }
  const [planned] = planRoutes({ ips: [], routes: [{ ...route('10.0.0.0/8'), ...extras }] })
  t.match(planned, extras)
})

const bridge = { bridge: 'cni0', forceAddress: false }

const gatewayCases: readonly {
  title: string
  wanted: readonly string[]
  present: readonly string[]
  add?: readonly string[]
  conflict?: string
}[] = [
  { title: 'an empty bridge', wanted: ['10.22.0.1/24'], present: [], add: ['10.22.0.1/24'] },
  { title: 'the address is there', wanted: ['10.22.0.1/24'], present: ['10.22.0.1/24'], add: [] },
  {
    title: "it is there among others, which are nobody's business",
    wanted: ['10.22.0.1/24'],
    present: ['10.22.0.1/24', '192.0.2.1/24'],
    add: [],
  },
  {
    title: 'another IPv4 address',
    wanted: ['10.22.0.1/24'],
    present: ['192.0.2.1/24'],
    conflict: '192.0.2.1/24',
  },
  {
    title: 'another length',
    wanted: ['10.22.0.1/24'],
    present: ['10.22.0.1/16'],
    conflict: '10.22.0.1/16',
  },
  {
    title: 'another IPv6 subnet',
    wanted: ['fd00:22::1/64'],
    present: ['fd00:33::1/64'],
    add: ['fd00:22::1/64'],
  },
  {
    title: 'an overlapping IPv6 subnet',
    wanted: ['fd00:22::1/64'],
    present: ['fd00:22::9/48'],
    conflict: 'fd00:22::9/48',
  },
  {
    title: 'the other family does not matter',
    wanted: ['fd00:22::1/64'],
    present: ['10.22.0.1/24'],
    add: ['fd00:22::1/64'],
  },
  {
    title: 'wanted addresses do not conflict with each other',
    wanted: ['10.22.0.1/24', '10.23.0.1/24'],
    present: ['10.22.0.1/24'],
    add: ['10.23.0.1/24'],
  },
]

for (const { title, conflict, ...texts } of gatewayCases) {
  t.test(`gateway: ${title}${conflict === undefined ? '' : ' is a conflict'}`, async t => {
    const wanted = texts.wanted.map(prefix)
    const present = texts.present.map(prefix)
    if (conflict === undefined) {
      t.same(planGateway(wanted, present, bridge), { remove: [], add: texts.add?.map(prefix) })
      return
    }
    t.throws(() => planGateway(wanted, present, bridge), {
      cniCode: 7,
      message: `"cni0" already has an IP address different from ${texts.wanted.join(', ')}: ${conflict}`,
    })
    t.same(planGateway(wanted, present, { ...bridge, forceAddress: true }), {
      remove: [prefix(conflict)],
      add: wanted,
    })
  })
}

t.test('gateway: what is done once needs not be done again', async t => {
  const anyPrefix = fc
    .tuple(fc.constantFrom('10.22.0.1', '10.22.7.9', '192.0.2.1'), fc.integer({ min: 1, max: 32 }))
    .map(([text, length]) => prefix(`${text}/${length}`))
  fc.assert(
    fc.property(fc.array(anyPrefix), fc.array(anyPrefix), (wanted, present) => {
      const { remove, add } = planGateway(wanted, present, { ...bridge, forceAddress: true })
      const after = [...present.filter(each => !remove.includes(each)), ...add]
      t.same(planGateway(wanted, after, bridge), { remove: [], add: [] })
    }),
  )
})
