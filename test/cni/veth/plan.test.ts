import t from 'tap'
import { type CniIp, type CniResult, type CniRoute, emptyResult } from '#cni/spec/result.ts'
import { planAddresses, planPointToPoint, planRoutes } from '#cni/veth/plan.ts'
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

t.test('point to point: first to the gateway, then to the subnet by it', async t => {
  const ips = [address('10.22.0.5/24', '10.22.0.1'), address('fd00::5/128', 'fe80::1')]
  const routes = planPointToPoint([...ips, address('10.9.0.5/24')])
  const texts = routes.map(({ dst, gateways, source }) => [formatPrefix(dst), ...gateways, source])
  t.strictSame(texts, [
    ['10.22.0.1/32', '10.22.0.5'],
    ['10.22.0.0/24', '10.22.0.1', '10.22.0.5'],
    ['fe80::1/128', 'fd00::5'],
  ])
})
