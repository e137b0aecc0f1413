import t from 'tap'
import { type AddressSettings, decodeAddress, encodeAddress } from '#linux/netlink/address.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

// struct ifaddrmsg: family u8, prefix length u8, flags u8, scope u8, link index u32; then attributes.
const encodings: readonly { title: string; settings: AddressSettings; want: string }[] = [
  {
    title: 'IPv4: IFA_LOCAL 2, IFA_ADDRESS 1, IFA_BROADCAST 4',
    settings: { linkIndex: 7, prefix: prefix('10.22.0.5/24') },
    want: '02180000 07000000 08000200 0a160005 08000100 0a160005 08000400 0a1600ff',
  },
  {
    title: 'a /31 has no broadcast address (RFC 3021)',
    settings: { linkIndex: 7, prefix: prefix('10.22.0.4/31') },
    want: '021f0000 07000000 08000200 0a160004 08000100 0a160004',
  },
  {
    title: 'IPv6 without duplicate detection: IFA_F_NODAD 2, also in IFA_FLAGS 8',
    settings: { linkIndex: 7, prefix: prefix('fd00::5/64') },
    want: '0a400200 07000000 14000200 fd000000000000000000000000000005 14000100 fd000000000000000000000000000005 08000800 02000000',
  },
  {
    title:
      'without the route to its subnet: IFA_F_NOPREFIXROUTE 0x200, which only IFA_FLAGS has room for',
    settings: { linkIndex: 7, prefix: prefix('10.22.0.4/31'), isWithoutRoute: true },
    want: '021f0000 07000000 08000200 0a160004 08000100 0a160004 08000800 00020000',
  },
  {
    title: 'IPv6 with duplicate detection',
    settings: { linkIndex: 7, prefix: prefix('fd00::5/64'), duplicateDetection: true },
    want: '0a400000 07000000 14000200 fd000000000000000000000000000005 14000100 fd000000000000000000000000000005',
  },
]

for (const { title, settings, want } of encodings) {
  t.test(`encode: ${title}`, async t => {
    t.equal(encodeAddress(settings).toString('hex'), want.replaceAll(' ', ''))
  })
}

const decodings = [
  {
    title: 'a tentative global IPv6 address',
    bytes: '0a404000 07000000 14000100 fd000000000000000000000000000005 08000800 40000000',
    want: { prefix: prefix('fd00::5/64'), isGlobal: true, isTentative: true, isDuplicate: false },
  },
  {
    title: 'a duplicate',
    bytes: '0a404800 07000000 14000100 fd000000000000000000000000000005 08000800 48000000',
    want: { prefix: prefix('fd00::5/64'), isGlobal: true, isTentative: true, isDuplicate: true },
  },
  {
    title: 'a link-local address',
    bytes: '0a4080fd 07000000 14000100 fe800000000000000000000000000005 08000800 80000000',
    want: { prefix: prefix('fe80::5/64'), isGlobal: false, isTentative: false, isDuplicate: false },
  },
  {
    title: 'the own address of a point-to-point link',
    bytes: '02208000 07000000 08000100 0a160001 08000200 0a160005',
    want: {
      prefix: prefix('10.22.0.5/32'),
      isGlobal: true,
      isTentative: false,
      isDuplicate: false,
    },
  },
]

for (const { title, bytes, want } of decodings) {
  t.test(`decode: ${title}`, async t => {
    const address = decodeAddress(Buffer.from(bytes.replaceAll(' ', ''), 'hex'))
    t.strictSame(address, { linkIndex: 7, ...want })
  })
}
