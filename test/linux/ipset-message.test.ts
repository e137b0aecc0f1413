import t from 'tap'
import {
  decodeListing,
  decodeRevision,
  encodeCreate,
  encodeMembers,
  encodeName,
  encodeTypeQuery,
  entryText,
  IpsetCommand,
  type IpsetEntry,
} from '#linux/ipset-message.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const ip = (text: string) => text as IpAddress
const prefix = (text: string) => parsePrefix(text) as IpPrefix
const hex = (bytes: Buffer) => bytes.toString('hex')
const wire = (...parts: readonly string[]) => parts.join('').replaceAll(' ', '')

/** struct nfgenmsg, then IPSET_ATTR_PROTOCOL 6. */
const HEAD = wire('00000000', '05000100 06000000')
/** IPSET_ATTR_SETNAME `s`. */
const NAME = wire('06000200 73000000')

t.test('commands are those of NFNL_SUBSYS_IPSET (6)', t => {
  t.strictSame(IpsetCommand, {
    create: 0x602,
    destroy: 0x603,
    list: 0x607,
    add: 0x609,
    del: 0x60a,
    type: 0x60d,
  })
  t.end()
})

t.test('sets', t => {
  t.equal(hex(encodeName({ name: 's' })), wire(HEAD, NAME))
  const hash = { name: 's', type: 'hash:ip', family: 6 } as const
  const TYPE = '0c000300 68617368 3a697000'
  t.equal(hex(encodeTypeQuery(hash)), wire(HEAD, TYPE, '05000500 0a000000'))
  t.equal(
    hex(encodeCreate(hash, 5)),
    wire(
      HEAD,
      NAME,
      TYPE,
      '05000400 05000000',
      '05000500 0a000000',
      // Hash size 1024, at most 65536 members, in network order and marked so.
      '1400 0780',
      '08001240 00000400',
      '08001340 00010000',
    ),
  )
  const ports = encodeCreate({ name: 's', type: 'bitmap:port', family: undefined }, 1)
  t.match(
    hex(ports),
    wire('05000500 00000000', '1400 0780', '06000440 00000000', '06000540 ffff0000'),
  )
  t.equal(decodeRevision(Buffer.from(wire(HEAD, '05000400 06000000'), 'hex')), 6)
  t.end()
})

const LINE_1 = '08000940 00000001'
const PORT_80 = '06000440 00500000'
const TCP = '05000700 06000000'
const address = (type: string) => wire('0c00', type, '80', '08000140 0a000001')
const members: readonly { title: string; entry: IpsetEntry; text: string; data: string }[] = [
  { title: 'a port', entry: { port: 80 }, text: '80', data: wire('1400 0780', PORT_80, LINE_1) },
  {
    title: 'an address',
    entry: { ip: ip('10.0.0.1') },
    text: '10.0.0.1',
    data: wire('1800 0780', address('01'), LINE_1),
  },
  {
    title: 'an IPv6 address',
    entry: { ip: ip('fd00::1') },
    text: 'fd00::1',
    data: wire('2400 0780', '1800 0180', '14000240 fd000000 00000000 00000000 00000001', LINE_1),
  },
  {
    title: 'an address and port',
    entry: { ip: ip('10.0.0.1'), protocol: 'TCP', port: 80 },
    text: '10.0.0.1,tcp:80',
    data: wire('2800 0780', address('01'), PORT_80, TCP, LINE_1),
  },
  {
    title: 'an address, port and address',
    entry: { ip: ip('10.0.0.1'), protocol: 'TCP', port: 80, to: prefix('10.0.0.1/32') },
    text: '10.0.0.1,tcp:80,10.0.0.1',
    data: wire('3400 0780', address('01'), PORT_80, TCP, address('14'), LINE_1),
  },
  {
    title: 'an address, port and network',
    entry: { ip: ip('10.0.0.1'), protocol: 'TCP', port: 80, to: prefix('10.0.0.1/31') },
    text: '10.0.0.1,tcp:80,10.0.0.0/31',
    data: wire(
      '3c00 0780',
      address('01'),
      PORT_80,
      TCP,
      '0c00 1480 08000140 0a000000',
      '05001500 1f000000',
      LINE_1,
    ),
  },
]

for (const { title, entry, text, data } of members) {
  t.test(`member: ${title}`, t => {
    t.equal(entryText(entry), text)
    const length = (data.length / 2 + 4).toString(16).padStart(2, '0')
    const message = encodeMembers({ name: 's' }, [entry])
    t.equal(hex(message), wire(HEAD, NAME, '08000900 00000000', `${length}00 0880`, data))
    t.strictSame(decodeListing(message).entries.map(entryText), [text], 'and back')
    t.end()
  })
}

t.test('a listing has the type only in the first message of a set', t => {
  const first = Buffer.from(wire(HEAD, NAME, '0c000300 68617368 3a697000'), 'hex')
  t.strictSame(decodeListing(first), { type: 'hash:ip', entries: [] })
  const entries = [{ port: 1 }, { port: 65_535 }]
  const next = decodeListing(encodeMembers({ name: 's' }, entries))
  t.equal(next.type, undefined)
  t.strictSame(next.entries.map(entryText), ['1', '65535'])
  t.end()
})
