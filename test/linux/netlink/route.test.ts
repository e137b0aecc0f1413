import fc from 'fast-check'
import t from 'tap'
import { decodeRoute, encodeRoute, type Route } from '#linux/netlink/route.ts'
import { type IpAddress, type IpFamily, ipFromNumber, parseIp } from '#net/ip.ts'
import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

// struct rtmsg: family, destination length, source length, tos, table, protocol, scope, type: u8 each; flags u32.
const encodings: readonly { title: string; route: Route; want: string }[] = [
  {
    title: 'a default route has no RTA_DST; RTA_TABLE 15, RTA_GATEWAY 5, RTA_OIF 4',
    route: { destination: prefix('0.0.0.0/0'), linkIndex: 7, gateways: [ip('10.22.0.1')] },
    want: '02000000 fe030001 00000000 08000f00 fe000000 08000500 0a160001 08000400 07000000',
  },
  {
    title: 'without a gateway the scope is the link; the host bits of the destination are cleared',
    route: { destination: prefix('10.30.0.9/16'), linkIndex: 7, gateways: [] },
    want: '02100000 fe03fd01 00000000 08000f00 fe000000 08000100 0a1e0000 08000400 07000000',
  },
  {
    title:
      'RTA_PRIORITY 6, RTA_PREFSRC 7, RTA_METRICS 8 { MTU 2, ADVMSS 8 }, a table above 255, on-link',
    route: {
      destination: prefix('10.30.0.0/16'),
      linkIndex: 7,
      gateways: [ip('10.22.0.1')],
      isOnLink: true,
      priority: 9,
      table: 1000,
      source: ip('10.22.0.5'),
      mtu: 1400,
      advmss: 1300,
      scope: 0,
      protocol: 4,
    },
    want: '02100000 00040001 04000000 08000f00 e8030000 08000100 0a1e0000 08000600 09000000 08000700 0a160005 14000880 08000200 78050000 08000800 14050000 08000500 0a160001 08000400 07000000',
  },
  {
    title: 'several gateways: RTA_MULTIPATH 9 with a struct rtnexthop and RTA_GATEWAY for each',
    route: {
      destination: prefix('10.30.0.0/16'),
      linkIndex: 7,
      gateways: [ip('10.22.0.1'), ip('10.22.0.2')],
    },
    want: '02100000 fe030001 00000000 08000f00 fe000000 08000100 0a1e0000 24000900 10000000 07000000 08000500 0a160001 10000000 07000000 08000500 0a160002',
  },
]

for (const { title, route, want } of encodings) {
  t.test(`encode: ${title}`, async t => {
    t.equal(encodeRoute(route).toString('hex'), want.replaceAll(' ', ''))
  })
}

const address = (family: IpFamily) =>
  fc
    .bigInt({ min: 1n, max: (1n << (family === 4 ? 32n : 128n)) - 1n })
    .map(n => ipFromNumber(family, n))

const routeOf = (family: IpFamily): fc.Arbitrary<Route> =>
  fc.record(
    {
      destination: fc
        .tuple(address(family), fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
        .map(([each, length]) => networkOf({ family, address: each, length })),
      linkIndex: fc.integer({ min: 1, max: 0x7fffffff }),
      gateways: fc.array(address(family), { maxLength: 3 }),
      isOnLink: fc.boolean(),
      priority: fc.integer({ min: 0, max: 0xffffffff }),
      table: fc.integer({ min: 1, max: 0xffffffff }),
      scope: fc.constantFrom(0, 253, 254),
      source: fc.option(address(family), { nil: undefined }),
      mtu: fc.option(fc.integer({ min: 68, max: 65535 }), { nil: undefined }),
      advmss: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
      protocol: fc.integer({ min: 0, max: 255 }),
    },
    { noNullPrototype: true },
  )

t.test('decoding gives back the route that was encoded', async t => {
  fc.assert(
    fc.property(fc.oneof(routeOf(4), routeOf(6)), route => {
      t.strictSame(decodeRoute(encodeRoute(route)), route)
    }),
  )
})

t.test('local and broadcast routes, cache entries and other families are left out', async t => {
  const bytes = encodeRoute({ destination: prefix('10.0.0.0/8'), linkIndex: 1, gateways: [] })
  const changed = (offset: number, value: number) => {
    const copy = Buffer.from(bytes)
    copy[offset] = value
    return decodeRoute(copy)
  }
  t.ok(decodeRoute(bytes))
  t.equal(changed(7, 2), undefined, 'RTN_LOCAL')
  t.equal(changed(9, 2), undefined, 'RTM_F_CLONED')
  t.equal(changed(0, 7), undefined, 'AF_BRIDGE')
})
