import t from 'tap'
import {
  decodeNeighbour,
  encodeNeighbour,
  type NeighbourEntry,
  neighbourLinkIndex,
} from '#linux/netlink/neighbour.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { type MacAddress, parseMac } from '#net/mac.ts'

const mac = parseMac('02:00:00:00:00:0a') as MacAddress
const entry = (table: NeighbourEntry['table'], address: string): NeighbourEntry => ({
  table,
  linkIndex: 7,
  address: parseIp(address) as IpAddress,
  mac,
})

// struct ndmsg: family u8, padding u8 and u16, index i32, state u16, flags u8, type u8; NDA_DST 1, NDA_LLADDR 2.
const encodings: readonly { title: string; entry: NeighbourEntry; want: string }[] = [
  {
    title: 'a next hop: AF_INET, NUD_PERMANENT',
    entry: entry('neighbours', '10.244.2.0'),
    want: '02000000 07000000 8000 00 00 08000100 0af40200 0a000200 02000000000a0000',
  },
  {
    title: 'a next hop: AF_INET6',
    entry: entry('neighbours', 'fe80::a'),
    want: '0a000000 07000000 8000 00 00 14000100 fe80000000000000000000000000000a 0a000200 02000000000a0000',
  },
  {
    title: 'a forwarding entry: AF_BRIDGE, NUD_PERMANENT and NOARP, NTF_SELF',
    entry: entry('forwarding', '192.0.2.2'),
    want: '07000000 07000000 c000 02 00 08000100 c0000202 0a000200 02000000000a0000',
  },
]
for (const { title, entry, want } of encodings) {
  t.test(`${title}, as bytes and read again`, async t => {
    const bytes = encodeNeighbour(entry)
    t.equal(bytes.toString('hex'), want.replaceAll(' ', ''))
    t.strictSame(decodeNeighbour(bytes), entry)
    t.equal(neighbourLinkIndex(bytes), 7)
  })
}

t.test('what the kernel learned, or has no MAC for, is no entry', async t => {
  const learned = encodeNeighbour(entry('neighbours', '10.244.2.0'))
  // NUD_REACHABLE
  learned.writeUInt16LE(0x02, 8)
  t.equal(decodeNeighbour(learned), undefined)
  const withoutMac = encodeNeighbour(entry('neighbours', '10.244.2.0')).subarray(0, 20)
  t.equal(decodeNeighbour(withoutMac), undefined)
})
