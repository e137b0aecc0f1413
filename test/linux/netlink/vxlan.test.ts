import t from 'tap'
import { decodeVxlan, encodeVxlan } from '#linux/netlink/vxlan.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { type MacAddress, parseMac } from '#net/mac.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const settings = {
  name: 'vx',
  mac: parseMac('02:00:00:00:00:0a') as MacAddress,
  mtu: 1450,
  vni: 110,
  port: 8472,
  local: ip('192.0.2.1'),
}
const HEAD = [
  '00000000 00000000 00000000 00000000',
  '0700 0300 767800 00',
  '0800 0400 aa050000',
  '0a00 0100 02000000000a 0000',
]

// IFLA_LINKINFO 18 { KIND 1, DATA 2 { ID 1, LOCAL 4 or LOCAL6 17, LEARNING 7, PORT 15 (big endian) } }
const encodings = [
  {
    title: 'IPv4',
    bytes: encodeVxlan(settings),
    want: [
      ...HEAD,
      '3400 1280 0a00 0100 7678 6c616e00 0000',
      '2400 0280 0800 0100 6e000000 0800 0400 c0000201 0500 0700 00 000000 0600 0f00 2118 0000',
    ],
  },
  {
    title: 'IPv6',
    bytes: encodeVxlan({ ...settings, local: ip('2001:db8::1') }),
    want: [
      ...HEAD,
      '4000 1280 0a00 0100 7678 6c616e00 0000',
      '3000 0280 0800 0100 6e000000 1400 1100 20010db8000000000000000000000001',
      '0500 0700 00 000000 0600 0f00 2118 0000',
    ],
  },
]
for (const { title, bytes, want } of encodings) {
  t.test(`a VXLAN device over ${title}, as bytes and read again`, async t => {
    t.equal(bytes.toString('hex'), want.join('').replaceAll(' ', ''))
    const { name, mac, mtu, vni, port } = settings
    t.match(decodeVxlan(bytes), { name, mac, mtu, vni, port, isLearning: false })
  })
}

t.test('another kind of link is none', async t => {
  t.equal(decodeVxlan(Buffer.from(HEAD.join('').replaceAll(' ', ''), 'hex')), undefined)
})
