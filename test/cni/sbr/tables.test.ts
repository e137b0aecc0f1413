import t from 'tap'
import { planRouting, type Routing, routingDifferences, routingOf } from '#cni/sbr/tables.ts'
import type { CniIp } from '#cni/spec/result.ts'
import type { Route } from '#linux/netlink/route.ts'
import type { Rule } from '#linux/netlink/rule.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, parsePrefix } from '#net/prefix.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix
const address = (text: string, gateway?: string): CniIp => ({
  address: prefix(text),
  gateway: gateway === undefined ? undefined : ip(gateway),
})

const LINK = { index: 5 }
const route = (text: string, changes: Partial<Route> = {}): Route => ({
  destination: prefix(text),
  linkIndex: LINK.index,
  gateways: [],
  table: 254,
  ...changes,
})
const rule = (text: string, table: number): Rule => ({
  family: text.includes(':') ? 6 : 4,
  source: prefix(text),
  table,
})

/** `TABLE DESTINATION [GATEWAY]` */
const texts = (routes: readonly Route[]) =>
  routes.map(({ table, destination, gateways }) =>
    [table, formatPrefix(destination), ...gateways].join(' '),
  )

t.test('each address gets a table with the routes of its family, and a default route', async t => {
  const present: Routing = {
    routes: [
      route('192.0.2.0/24', { gateways: [ip('10.5.0.9')] }),
      route('10.5.0.0/24'),
      route('fd00:5::/64'),
      route('fe80::/64'),
      route('0.0.0.0/0', { linkIndex: 2, gateways: [ip('10.22.0.1')] }),
      route('10.7.0.0/16', { table: 101 }),
    ],
    rules: [],
  }
  const ips = [address('10.5.0.2/24', '10.5.0.1'), address('fd00:5::2/64')]
  const plan = planRouting({ link: LINK, ips, table: undefined }, present)
  t.strictSame(texts(plan.routes), [
    '100 10.5.0.0/24',
    '100 192.0.2.0/24 10.5.0.9',
    '100 0.0.0.0/0 10.5.0.1',
    '102 fd00:5::/64',
    '102 fe80::/64',
  ])
  t.strictSame(plan.rules, [rule('10.5.0.2/32', 100), rule('fd00:5::2/128', 102)])
  t.strictSame(
    texts(plan.obsolete),
    ['254 192.0.2.0/24 10.5.0.9', '254 10.5.0.0/24', '254 fd00:5::/64'],
    'others’ routes and that to link-local addresses stay',
  )
})

t.test('the interface’s own default route is not replaced by one to the gateway', async t => {
  const routes = [route('0.0.0.0/0', { gateways: [ip('10.5.0.9')] })]
  const ips = [address('10.5.0.2/24', '10.5.0.1')]
  const plan = planRouting({ link: LINK, ips, table: 500 }, { routes, rules: [] })
  t.strictSame(texts(plan.routes), ['500 0.0.0.0/0 10.5.0.9'])
})

t.test('a table that a rule leads to is taken', async t => {
  const ips = [address('10.5.0.2/24')]
  const rules = [rule('10.9.0.1/32', 100)]
  const plan = planRouting({ link: LINK, ips, table: undefined }, { routes: [], rules })
  t.strictSame(plan.rules, [rule('10.5.0.2/32', 101)])
})

t.test('what belongs to addresses: their rules, and the link’s routes in their tables', async t => {
  const present: Routing = {
    rules: [rule('10.5.0.2/32', 100), rule('10.5.0.3/32', 101), rule('10.5.0.2/32', 254)],
    routes: [
      route('0.0.0.0/0', { table: 100 }),
      route('0.0.0.0/0', { table: 101 }),
      route('10.5.0.0/24'),
      route('10.6.0.0/24', { table: 100, linkIndex: 2 }),
    ],
  }
  const own = routingOf([prefix('10.5.0.2/24')], LINK, present)
  t.strictSame(own.rules, [rule('10.5.0.2/32', 100)])
  t.strictSame(texts(own.routes), ['100 0.0.0.0/0'])
})

t.test('CHECK names what is missing, and wants no default route without a gateway', async t => {
  const present: Routing = { rules: [rule('10.5.0.2/32', 100)], routes: [] }
  t.strictSame(routingDifferences([address('10.5.0.2/24')], present), [])
  t.strictSame(routingDifferences([address('10.5.0.2/24', '10.5.0.1')], present), [
    'table 100 for 10.5.0.2 has no default route',
  ])
  t.strictSame(routingDifferences([address('10.5.0.3/24')], present), [
    'there is no rule for what comes from 10.5.0.3',
  ])
})
