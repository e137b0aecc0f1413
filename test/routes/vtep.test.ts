import t from 'tap'
import { macToBytes } from '#net/mac.ts'
import { vtepOf } from '../../src/routes/vtep.ts'
import { prefix } from '../helper/routes.ts'

t.test('the end of a tunnel follows from the podCIDR alone', async t => {
  t.strictSame(vtepOf(prefix('10.244.1.0/24')), vtepOf(prefix('10.244.1.77/24')))
  t.equal(vtepOf(prefix('10.244.1.0/24')).address, '10.244.1.0')
  t.equal(vtepOf(prefix('10.244.1.0/24')).gateway, '10.244.1.0')
})

t.test('MACs are unicast, locally administered, and differ', async t => {
  const macs = Array.from({ length: 256 }, (_, index) => vtepOf(prefix(`10.244.${index}.0/24`)).mac)
  t.equal(new Set(macs).size, 256)
  for (const mac of macs) t.equal((macToBytes(mac)[0] as number) & 0x03, 0x02, mac)
})

t.test('the next hop of IPv6 is the link-local address of the MAC', async t => {
  const { mac, gateway } = vtepOf(prefix('fd00:244:1::/64'))
  const [o0 = 0, o1 = 0, o2 = 0, o3 = 0, o4 = 0, o5 = 0] = macToBytes(mac)
  // RFC 4291 appendix A: the universal bit inverted, ff:fe in the middle.
  const groups = [((o0 ^ 2) << 8) | o1, (o2 << 8) | 0xff, 0xfe00 | o3, (o4 << 8) | o5]
  t.equal(gateway, `fe80::${groups.map(group => group.toString(16)).join(':')}`)
})
