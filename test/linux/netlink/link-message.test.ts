import t from 'tap'
import {
  decodeLink,
  encodeBridge,
  encodeDummy,
  encodeLinkChange,
  encodeLinkQuery,
  encodeVeth,
} from '#linux/netlink/link-message.ts'
import { type MacAddress, parseMac } from '#net/mac.ts'

const mac = parseMac('02:00:00:00:00:0a') as MacAddress

// struct ifinfomsg: family u8, padding u8, type u16, index i32, flags u32, changed flags u32; then attributes.
const encodings: readonly { title: string; bytes: Buffer; want: readonly string[] }[] = [
  {
    title: 'all links',
    bytes: encodeLinkQuery(),
    want: ['00000000 00000000 00000000 00000000'],
  },
  {
    title: 'the link with an index',
    bytes: encodeLinkQuery({ index: 5 }),
    want: ['00000000 05000000 00000000 00000000'],
  },
  {
    title: 'the link with a name (IFLA_IFNAME 3)',
    bytes: encodeLinkQuery({ name: 'eth0' }),
    want: ['00000000 00000000 00000000 00000000', '0900 0300 6574683000 000000'],
  },
  {
    title: 'a dummy, down: IFLA_LINKINFO 18 { KIND 1, DATA 2 }',
    bytes: encodeDummy('dum'),
    want: [
      '00000000 00000000 00000000 00000000',
      '0800 0300 64756d00',
      '1400 1280 0a00 0100 64756d6d7900 0000 0400 0280',
    ],
  },
  {
    title:
      'a bridge: IFLA_MTU 4, IFLA_ADDRESS 1, IFLA_LINKINFO 18 { KIND 1, DATA 2 { VLAN_FILTERING 7 } }',
    bytes: encodeBridge({ name: 'br0', mtu: 1400, mac, vlanFiltering: true }),
    want: [
      '00000000 00000000 00000000 00000000',
      '0800 0300 62723000',
      '0800 0400 78050000',
      '0a00 0100 02000000000a 0000',
      '1c00 1280 0b00 0100 62726964676500 00 0c00 0280 0500 0700 01 000000',
    ],
  },
  {
    title:
      'a veth pair: IFLA_MASTER 10; LINKINFO { KIND, DATA { VETH_INFO_PEER 1: ifinfomsg, name, IFLA_NET_NS_FD 28 } }',
    bytes: encodeVeth({ name: 'v', masterIndex: 3, peer: { name: 'p', namespaceFd: 9 } }),
    want: [
      '00000000 00000000 00000000 00000000',
      '0600 0300 7600 0000',
      '0800 0a00 03000000',
      '3800 1280 0900 0100 7665746800 000000 2800 0280 2400 0100',
      '00000000 00000000 00000000 00000000 0600 0300 7000 0000 0800 1c00 09000000',
    ],
  },
  {
    title: 'up: the flag IFF_UP and the mask that says so',
    bytes: encodeLinkChange(7, { isUp: true }),
    want: ['00000000 07000000 01000000 01000000'],
  },
  {
    title: 'down and not promiscuous: flags zero, both in the mask',
    bytes: encodeLinkChange(7, { isUp: false, isPromiscuous: false }),
    want: ['00000000 07000000 00000000 01010000'],
  },
  {
    title: 'all multicast frames (IFF_ALLMULTI), and a queue (IFLA_TXQLEN 13)',
    bytes: encodeLinkChange(7, { isAllMulticast: true, txQueueLength: 500 }),
    want: ['00000000 07000000 00020000 00020000', '0800 0d00 f4010000'],
  },
  {
    title: 'an alias (IFLA_IFALIAS 20) has no ending zero',
    bytes: encodeLinkChange(7, { alias: 'abcd' }),
    want: ['00000000 07000000 00000000 00000000', '0800 1400 61626364'],
  },
  {
    title:
      'hairpin: LINKINFO { SLAVE_KIND 4 bridge, SLAVE_DATA 5 { BRPORT_MODE 4, BRPORT_ISOLATED 33 } }',
    bytes: encodeLinkChange(7, { bridgePort: { hairpin: true, isolated: false } }),
    want: [
      '00000000 07000000 00000000 00000000',
      '2400 1280 0b00 0400 62726964676500 00',
      '1400 0580 0500 0400 01 000000 0500 2100 00 000000',
    ],
  },
]

for (const { title, bytes, want } of encodings) {
  t.test(`encode: ${title}`, async t => {
    t.equal(bytes.toString('hex'), want.join('').replaceAll(' ', ''))
  })
}

t.test('a description of a link is read', async t => {
  const bytes = [
    '00000100 07000000 43120000 00000000',
    '0800 0d00 e8030000',
    '0900 0300 6574683000 000000',
    '0800 0400 dc050000',
    '0500 1000 06 000000',
    '0a00 0100 02000000000a 0000',
    '0800 0a00 03000000',
    '0800 0500 08000000',
    '0700 1400 746167 00',
    '3000 1200 0900 0100 7665746800 000000 0b00 0400 62726964676500 00',
    '1400 0500 0500 0400 01 000000 0500 2100 01 000000',
  ]
  t.strictSame(decodeLink(Buffer.from(bytes.join('').replaceAll(' ', ''), 'hex')), {
    index: 7,
    name: 'eth0',
    kind: 'veth',
    mac,
    mtu: 1500,
    isUp: true,
    isOperational: true,
    isPromiscuous: false,
    isAllMulticast: true,
    txQueueLength: 1000,
    masterIndex: 3,
    peerIndex: 8,
    alias: 'tag',
    bridgePort: { hairpin: true, isolated: true },
    vlanFiltering: undefined,
  })
})

t.test('what a link does not have is undefined', async t => {
  t.strictSame(decodeLink(encodeLinkQuery({ index: 1, name: 'lo' })), {
    index: 1,
    name: 'lo',
    kind: undefined,
    mac: undefined,
    mtu: 0,
    isUp: false,
    isOperational: false,
    isPromiscuous: false,
    isAllMulticast: false,
    txQueueLength: undefined,
    masterIndex: undefined,
    peerIndex: undefined,
    alias: undefined,
    bridgePort: undefined,
    vlanFiltering: undefined,
  })
})
