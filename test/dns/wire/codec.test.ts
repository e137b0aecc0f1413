import assert from 'node:assert/strict'
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import type { IpAddress } from '#net/ip.ts'
import type { Edns, Message, ResourceRecord } from '../../../src/dns/message.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'
import { encodeMessage } from '../../../src/dns/wire/encode.ts'
import { labelsOf, nameOf, readName } from '../../../src/dns/wire/name.ts'
import { message as plainMessage } from '../../helper/dns.ts'

const message = (parts: Partial<Message> = {}): Message =>
  plainMessage({ id: 1, isResponse: true, ...parts })

const hex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

const decoded = (packet: Uint8Array): Message => {
  const result = decodeMessage(packet)
  if (result.kind !== 'message') throw new Error(result.reason)
  return result.message
}

/** Plain objects: values are compared with their prototypes. */
const recordOf = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
const labels = fc
  .array(
    fc
      .uint8Array({ minLength: 1, maxLength: 20 })
      .map(octets => Buffer.from(octets).toString('latin1')),
    { maxLength: 6 },
  )
  .filter(list => list.reduce((sum, label) => sum + label.length + 1, 1) <= 255)
const name = labels.map(nameOf)
const uint16 = fc.integer({ min: 0, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(b => b.join('.') as IpAddress)
const octets = fc.uint8Array({ maxLength: 255 })
const latin1 = octets.map(o => Buffer.from(o).toString('latin1'))

const typedData = fc.oneof(
  recordOf({ type: fc.constant('A'), data: ipv4 }),
  recordOf({ type: fc.constantFrom('CNAME', 'NS', 'PTR'), data: name }),
  recordOf({
    type: fc.constant('SRV'),
    data: recordOf({ priority: uint16, weight: uint16, port: uint16, target: name }),
  }),
  recordOf({
    type: fc.constant('SOA'),
    data: recordOf({
      mname: name,
      rname: name,
      serial: uint32,
      refresh: uint32,
      retry: uint32,
      expire: uint32,
      minimum: uint32,
    }),
  }),
  recordOf({ type: fc.constant('MX'), data: recordOf({ preference: uint16, exchange: name }) }),
  recordOf({ type: fc.constant('TXT'), data: fc.array(octets, { maxLength: 4 }) }),
  recordOf({ type: fc.constant('HINFO'), data: recordOf({ cpu: latin1, os: latin1 }) }),
  recordOf({ type: fc.constantFrom('HTTPS', 'RRSIG', 'CAA', 'TYPE65280'), data: octets }),
)
const record: fc.Arbitrary<ResourceRecord> = fc
  .tuple(name, fc.integer({ min: 0, max: 0x7fff_ffff }), typedData)
  .map(([owner, ttl, rest]) => ({ name: owner, class: 'IN', ttl, ...rest }) as ResourceRecord)
const edns: fc.Arbitrary<Edns | undefined> = fc.option(
  recordOf({
    version: fc.integer({ min: 0, max: 255 }),
    udpSize: uint16,
    dnssecOk: fc.boolean(),
    options: fc.array(recordOf({ code: uint16, data: octets }), { maxLength: 3 }),
  }),
  { nil: undefined },
)
const anyMessage: fc.Arbitrary<Message> = recordOf({
  id: uint16,
  opcode: fc.constantFrom('QUERY', 'NOTIFY', 'STATUS', 'OPCODE3'),
  isResponse: fc.boolean(),
  authoritative: fc.boolean(),
  truncated: fc.boolean(),
  recursionDesired: fc.boolean(),
  recursionAvailable: fc.boolean(),
  authenticData: fc.boolean(),
  checkingDisabled: fc.boolean(),
  rcode: fc.constantFrom('NOERROR', 'NXDOMAIN', 'REFUSED', 'RCODE12'),
  question: fc.option(
    recordOf({
      name,
      type: fc.constantFrom('A', 'HTTPS', 'TYPE7777'),
      class: fc.constantFrom('IN', 'CH', 'CLASS7'),
    }),
    { nil: undefined },
  ),
  answers: fc.array(record, { maxLength: 5 }),
  authorities: fc.array(record, { maxLength: 3 }),
  additionals: fc.array(record, { maxLength: 3 }),
  edns,
})

t.test('any message survives encoding and decoding, compressed or not', async () => {
  fc.assert(
    fc.property(anyMessage, fc.constantFrom(0, 65_535), (value, compressAboveOctets) => {
      assert.deepEqual(decoded(encodeMessage(value, { compressAboveOctets })), value)
    }),
    { numRuns: 300 },
  )
})

t.test('compressing never makes a message longer', async () => {
  fc.assert(
    fc.property(anyMessage, value => {
      const plain = encodeMessage(value)
      return encodeMessage(value, { compressAboveOctets: 0 }).length <= plain.length
    }),
    { numRuns: 100 },
  )
})

t.test(
  'a cut message fits, keeps whole records in order, says TC and keeps its OPT record',
  async t => {
    fc.assert(
      fc.property(anyMessage, fc.integer({ min: 512, max: 3000 }), (value, maxOctets) => {
        const packet = encodeMessage(value, { maxOctets })
        const cut = decoded(packet)
        const all = [...value.answers, ...value.authorities, ...value.additionals]
        const kept = [...cut.answers, ...cut.authorities, ...cut.additionals]
        t.ok(packet.length <= maxOctets)
        t.strictSame(kept, all.slice(0, kept.length))
        assert.equal(cut.truncated, value.truncated || kept.length < all.length)
        assert.equal(cut.edns === undefined, value.edns === undefined)
      }),
      { numRuns: 200 },
    )
  },
)

t.test('no octets make the decoder throw or hang', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), packet => {
      decodeMessage(packet)
    }),
    { numRuns: 2000 },
  )
})

t.test('no damage to a message makes the decoder throw', async () => {
  const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(anyMessage, damage, fc.nat(400), (value, changes, length) => {
      const packet = encodeMessage(value, { compressAboveOctets: 0 })
      for (const [at, octet] of changes) packet[at % packet.length] = octet
      decodeMessage(packet)
      decodeMessage(packet.subarray(0, length))
    }),
    { numRuns: 1000 },
  )
})

t.test('dns-packet reads what is written', async t => {
  const soa = {
    mname: 'ns.dns.cluster.local.',
    rname: 'hostmaster.cluster.local.',
    serial: 7,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: 30,
  }
  const owner = { name: 'web.default.svc.cluster.local.', class: 'IN', ttl: 5 }
  const packet = encodeMessage(
    message({
      question: { name: owner.name, type: 'A', class: 'IN' },
      authoritative: true,
      answers: [
        { ...owner, type: 'A', data: '10.0.0.1' as IpAddress },
        { ...owner, type: 'AAAA', data: '2001:db8::1' as IpAddress },
        { ...owner, type: 'SRV', data: { priority: 0, weight: 100, port: 80, target: owner.name } },
        { ...owner, type: 'TXT', data: [new TextEncoder().encode('1.1.0')] },
      ],
      authorities: [{ ...owner, name: 'cluster.local.', type: 'SOA', data: soa }],
      edns: { version: 0, udpSize: 1232, dnssecOk: true, options: [] },
    }),
    { compressAboveOctets: 0 },
  )
  const read = dnsPacket.decode(Buffer.from(packet))
  const bare = owner.name.slice(0, -1)
  t.match(read.questions, [{ name: bare, type: 'A', class: 'IN' }])
  t.equal(read.flag_aa, true)
  t.match(read.answers, [
    { name: bare, type: 'A', ttl: 5, data: '10.0.0.1' },
    { name: bare, type: 'AAAA', data: '2001:db8::1' },
    { name: bare, type: 'SRV', data: { priority: 0, weight: 100, port: 80, target: bare } },
    { name: bare, type: 'TXT', data: [Buffer.from('1.1.0')] },
  ])
  t.match(read.authorities, [
    { name: 'cluster.local', type: 'SOA', data: { serial: 7, minimum: 30 } },
  ])
  t.match(read.additionals, [{ name: '.', type: 'OPT', udpPayloadSize: 1232, flag_do: true }])
})

t.test('what dns-packet writes is read', async t => {
  const packet = dnsPacket.encode({
    type: 'response',
    id: 9,
    flags: dnsPacket.RECURSION_AVAILABLE,
    questions: [{ type: 'MX', name: 'example.org' }],
    answers: [
      {
        type: 'MX',
        name: 'example.org',
        ttl: 60,
        data: { preference: 10, exchange: 'mail.example.org' },
      },
      {
        type: 'CAA',
        name: 'example.org',
        ttl: 60,
        data: { flags: 0, tag: 'issue', value: 'ca.example.net' },
      },
    ],
  })
  const read = decoded(packet)
  t.equal(read.recursionAvailable, true)
  t.match(read.answers, [
    {
      name: 'example.org.',
      type: 'MX',
      ttl: 60,
      data: { preference: 10, exchange: 'mail.example.org.' },
    },
    { type: 'CAA', data: Buffer.from('\0\x05issueca.example.net') },
  ])
})

t.test('a record set that fits when compressed is not cut', async t => {
  const answers: ResourceRecord[] = Array.from({ length: 25 }, (_, index) => ({
    name: 'web.default.svc.cluster.local.',
    type: 'A',
    class: 'IN',
    ttl: 5,
    data: `10.0.0.${index}` as IpAddress,
  }))
  const question = { name: 'web.default.svc.cluster.local.', type: 'A', class: 'IN' }
  const packet = encodeMessage(message({ question, answers }), { maxOctets: 512 })
  t.match(decoded(packet), { truncated: false, answers: { length: 25 } })
})

t.test('SRV targets are not compressed (RFC 2782)', async t => {
  const data = { priority: 0, weight: 0, port: 1, target: 'example.org.' }
  const packet = encodeMessage(
    message({ answers: [{ name: 'example.org.', type: 'SRV', class: 'IN', ttl: 0, data }] }),
    { compressAboveOctets: 0 },
  )
  // Header 12, question 13 + 4, owner as a pointer 2, fixed part 10, data 6 + 13.
  t.equal(packet.length, 12 + 17 + 12 + 19)
})

const HEADER = '0001 0000 0001 0000 0000 0000'
const malformed: readonly { title: string; packet: string }[] = [
  { title: 'nothing', packet: '' },
  { title: 'half a header', packet: '0001 0000 0001' },
  { title: 'a question that is missing', packet: HEADER },
  { title: 'a pointer to itself', packet: `${HEADER} c00c 0001 0001` },
  { title: 'a pointer forwards', packet: `${HEADER} c010 0001 0001 0000` },
  { title: 'two pointers in a circle', packet: `${HEADER} 01 61 c00c 0001 0001` },
  { title: 'a pointer cut short', packet: `${HEADER} c0` },
  { title: 'a label of type 01', packet: `${HEADER} 41 61 00 0001 0001` },
  { title: 'a label of type 10', packet: `${HEADER} 81 61 00 0001 0001` },
  { title: 'a name without end', packet: `${HEADER} 03 616263` },
  { title: 'a name of 256 octets', packet: `${HEADER} ${'01 61'.repeat(127)} 01 61 00 0001 0001` },
  { title: 'a question cut short', packet: `${HEADER} 00 0001 00` },
  { title: 'two questions', packet: `0001 0000 0002 0000 0000 0000 00 0001 0001 00 0001 0001` },
  { title: 'an answer that is missing', packet: `0001 0000 0000 0001 0000 0000` },
  {
    title: 'an address of 3 octets',
    packet: '0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0003 010203',
  },
  {
    title: 'RDATA longer than the message',
    packet: '0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0004 010203',
  },
  {
    title: 'two OPT records',
    packet: `0001 0000 0000 0000 0000 0002 ${'00 0029 0200 00000000 0000'.repeat(2)}`,
  },
  {
    title: 'an option cut short',
    packet: '0001 0000 0000 0000 0000 0001 00 0029 0200 00000000 0003 000a00',
  },
]
for (const { title, packet } of malformed) {
  t.test(`malformed: ${title}`, async t => {
    t.equal(decodeMessage(hex(packet)).kind, 'malformed')
  })
}

t.test('octets behind the last record are tolerated', async t => {
  t.equal(decodeMessage(hex(`${HEADER} 00 0001 0001 ffff`)).kind, 'message')
})

t.test('RDATA of carried types keeps its meaning when its names were compressed', async t => {
  // NAPTR with a replacement that points to the question's name.
  const packet = hex(
    `0001 8000 0001 0001 0000 0000 01 61 00 0023 0001  c00c 0023 0001 00000005 0009 0001 0002 00 00 00 c00c`,
  )
  t.strictSame(decoded(packet).answers[0]?.data, hex('0001 0002 00 00 00 01 61 00'))
})

const names: readonly { octets: string; text: string }[] = [
  { octets: '00', text: '.' },
  { octets: '01 61 02 62 63 00'.replace('02 62 63', '02 6263'), text: 'a.bc.' },
  { octets: '03 61 2e 62 00', text: 'a\\.b.' },
  { octets: '01 5c 00', text: '\\\\.' },
  { octets: '02 00 ff 00', text: '\\000\\255.' },
  { octets: '03 41 20 7f 00', text: 'A\\032\\127.' },
]
for (const { octets: wire, text } of names) {
  t.test(`the name ${text} is read and written`, async t => {
    t.strictSame(readName(hex(wire), 0), { name: text, end: hex(wire).length })
    t.equal(nameOf(labelsOf(text)), text)
  })
}

const badNames = [
  'a..b.',
  '.a.',
  `${'a'.repeat(64)}.`,
  'a.'.repeat(128),
  'ä.',
  'a\\',
  '\\256.',
  '\\25',
]
for (const text of badNames) {
  t.test(`${JSON.stringify(text.slice(0, 20))} is no name`, async t => {
    t.throws(() => labelsOf(text), { code: 'ERR_DNS_WIRE' })
  })
}
