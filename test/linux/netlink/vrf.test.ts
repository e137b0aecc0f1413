import t from 'tap'
import { encodeIfb } from '#linux/netlink/ifb.ts'
import { decodeVrf, encodeVrf } from '#linux/netlink/vrf.ts'

t.test('a VRF device: IFLA_IFNAME 3, LINKINFO 18 { KIND 1, DATA 2 { VRF_TABLE 1 } }', async t => {
  const bytes = encodeVrf({ name: 'red', table: 1000 })
  const want = [
    '00000000 00000000 00000000 00000000',
    '0800 0300 72656400',
    '1800 1280 0800 0100 76726600 0c00 0280 0800 0100 e8030000',
  ]
  t.equal(bytes.toString('hex'), want.join('').replaceAll(' ', ''))
  t.match(decodeVrf(bytes), { name: 'red', kind: 'vrf', table: 1000 })
})

t.test('another kind of link is none', async t => {
  t.equal(decodeVrf(encodeIfb({ name: 'ifb', mtu: 1500 })), undefined)
})
