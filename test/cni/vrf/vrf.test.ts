import t from 'tap'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import type { CniConfig } from '#cni/spec/plugin.ts'
import { vrfConfigFrom } from '#cni/vrf/config.ts'
import { freeTable, lostAddresses, movedRoutes } from '#cni/vrf/moves.ts'
import type { LinkAddress } from '#linux/netlink/address.ts'
import type { Route } from '#linux/netlink/route.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const configOf = (fields: object) =>
  vrfConfigFrom({ fields: configObjectFrom(fields) } as CniConfig)

t.test('what a configuration may say', async t => {
  t.strictSame(configOf({ vrfname: 'red' }), { vrf: 'red', table: undefined })
  t.strictSame(configOf({ vrfname: 'red', table: 0 }), { vrf: 'red', table: undefined })
  t.strictSame(configOf({ vrfname: 'red', table: 7 }), { vrf: 'red', table: 7 })
  for (const [fields, cniCode, message] of [
    [{}, 7, /^vrfname: is missing/],
    [{ vrfname: 'a/b' }, 7, /^vrfname: 'a\/b'/],
    [{ vrfname: 5 }, 6, /^vrfname must be a string/],
    [{ vrfname: 'red', table: -1 }, 7, /^table: -1/],
  ] as const) {
    t.throws(() => configOf(fields), { cniCode, message })
  }
})

t.test('the first table that nobody has', async t => {
  t.equal(freeTable([]), 1)
  t.equal(freeTable([1, 2, 4]), 3)
  t.equal(freeTable(Array.from({ length: 252 }, (_, index) => index + 1)), 256)
})

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

const address = (text: string, isGlobal = true): LinkAddress => ({
  linkIndex: 2,
  prefix: prefix(text),
  isGlobal,
  isTentative: false,
  isDuplicate: false,
})

t.test('global addresses that are gone are put back', async t => {
  const before = [address('10.5.0.2/24'), address('fd00::2/64'), address('fe80::2/64', false)]
  t.strictSame(lostAddresses(before, before.slice(0, 1)), [address('fd00::2/64')])
})

const route = (text: string, changes: Partial<Route> = {}): Route => ({
  destination: prefix(text),
  linkIndex: 2,
  gateways: [],
  table: 254,
  protocol: 3,
  ...changes,
})

t.test('the link’s own routes of the main table move, those by a gateway last', async t => {
  const byGateway = route('0.0.0.0/0', { gateways: ['10.5.0.1' as IpAddress] })
  const routes = [
    byGateway,
    route('192.0.2.0/24'),
    route('10.5.0.0/24', { protocol: 2 }),
    route('10.9.0.0/24', { linkIndex: 3 }),
    route('10.8.0.0/24', { table: 100 }),
  ]
  t.strictSame(movedRoutes(routes, 2, 77), [
    route('192.0.2.0/24', { table: 77 }),
    { ...byGateway, table: 77 },
  ])
})
