import t from 'tap'
import { decodePortVlans, encodePortVlans, type PortVlan } from '#linux/netlink/bridge-vlan.ts'

const vlans: readonly PortVlan[] = [
  { id: 10, isPvid: true, isUntagged: true },
  { id: 1, isPvid: false, isUntagged: true },
  { id: 4094, isPvid: false, isUntagged: false },
]

t.test('VLANs of a port are written as `bridge vlan add` writes them', async t => {
  // ifinfomsg: AF_BRIDGE, index 7. IFLA_AF_SPEC, nested: three times IFLA_BRIDGE_VLAN_INFO with flags and id.
  const bytes = [
    '07 00 0000 07000000 00000000 00000000',
    '1c00 1a80',
    '0800 0200 0600 0a00',
    '0800 0200 0400 0100',
    '0800 0200 0000 fe0f',
  ]
  t.equal(encodePortVlans(7, vlans).toString('hex'), bytes.join('').replaceAll(' ', ''))
})

t.test('they are read back from a message; a port of a bridge without VLANs has none', async t => {
  t.strictSame(decodePortVlans(encodePortVlans(7, vlans)), vlans)
  t.strictSame(decodePortVlans(encodePortVlans(7, []).subarray(0, 16)), [])
})

t.test('attributes that are not VLANs, or cut, are passed over', async t => {
  const other = Buffer.from(
    '0700000007000000000000000000000010001a8008000000010000000400020000',
    'hex',
  )
  t.strictSame(decodePortVlans(other.subarray(0, 32)), [])
})
