import fc from 'fast-check'
import t from 'tap'
import { RawQuestion } from '#dns/fast/raw-question.ts'
import type { Message } from '#dns/message.ts'
import { edns, question } from '../../helper/dns.ts'
import { packetOf } from '../../helper/fast-block.ts'

const read = (packet: Uint8Array, listener = 0) => {
  const raw = new RawQuestion(7)
  const taken = raw.read(packet, 0, packet.length, listener)
  const { hasEdns, udpSize, recursionDesired, hash } = raw
  const key = Buffer.from(raw.key.subarray(0, raw.keyLength)).toString('hex')
  return { taken, key, hash, hasEdns, udpSize, recursionDesired }
}

const base = packetOf({})
const patched = (at: number, octet: number, packet = base) => {
  const copy = packet.slice()
  copy[at] = octet
  return copy
}

t.test('queries that differ in what is patched in have one key', async t => {
  const { key, hash } = read(base)
  for (const parts of [
    { id: 1 },
    { recursionDesired: true },
    { question: question({ name: 'EXAMPLE.Org.' }) },
  ] satisfies Partial<Message>[]) {
    t.match(read(packetOf(parts)), { taken: true, key, hash }, JSON.stringify(parts))
  }
  t.equal(read(packetOf({ recursionDesired: true })).recursionDesired, 1)
  const withEdns = read(packetOf({ edns: edns({ udpSize: 1232 }) }))
  t.match(withEdns, { taken: true, hasEdns: true, udpSize: 1232 })
  t.equal(read(packetOf({ edns: edns({ udpSize: 4096 }) })).key, withEdns.key)
})

t.test('queries whose answers differ have keys of their own', async t => {
  const keys = [
    read(base),
    read(base, 1),
    read(packetOf({ question: question({ type: 'AAAA' }) })),
    read(packetOf({ question: question({ name: 'example.net.' }) })),
    read(packetOf({ question: question({ name: 'exampl.eorg.' }) })),
    read(packetOf({ checkingDisabled: true })),
    read(packetOf({ authenticData: true })),
    read(packetOf({ edns: edns() })),
    read(packetOf({ edns: edns({ dnssecOk: true }) })),
  ]
  t.ok(keys.every(({ taken }) => taken))
  t.equal(new Set(keys.map(({ key }) => key)).size, keys.length)
  t.equal(new Set(keys.map(({ hash }) => hash)).size, keys.length)
})

const withOpt = packetOf({ edns: edns() })
const refused: readonly { readonly title: string; readonly packet: Uint8Array }[] = [
  { title: 'a response', packet: patched(2, 0x80) },
  { title: 'another opcode', packet: patched(2, 0x20) },
  { title: 'a set TC bit', packet: patched(2, 0x02) },
  { title: 'a set AA bit', packet: patched(2, 0x04) },
  { title: 'a set Z bit', packet: patched(3, 0x40) },
  { title: 'an rcode', packet: patched(3, 0x01) },
  { title: 'no question', packet: patched(5, 0) },
  { title: 'two questions', packet: patched(5, 2) },
  { title: 'a record in the answer section', packet: patched(7, 1) },
  { title: 'a record in authority', packet: patched(9, 1) },
  { title: 'an additional that is not there', packet: patched(11, 1) },
  { title: 'another class', packet: packetOf({ question: question({ class: 'CH' }) }) },
  { title: 'octets behind the question', packet: Buffer.concat([base, Buffer.of(0)]) },
  { title: 'octets behind OPT', packet: Buffer.concat([withOpt, Buffer.of(0)]) },
  { title: 'another EDNS version', packet: packetOf({ edns: edns({ version: 1 }) }) },
  { title: 'an extended rcode', packet: patched(withOpt.length - 6, 1, withOpt) },
  { title: 'an unknown EDNS flag', packet: patched(withOpt.length - 3, 1, withOpt) },
  {
    title: 'an EDNS option',
    packet: packetOf({ edns: edns({ options: [{ code: 10, data: new Uint8Array(8) }] }) }),
  },
  { title: 'a compressed name', packet: patched(12, 0xc0) },
  { title: 'a label of a reserved type', packet: patched(12, 0x40) },
  { title: 'a name that runs over the end', packet: patched(12, 63) },
  { title: 'an octet that host names do not have', packet: patched(13, 0x2e) },
  { title: 'a NUL in a label', packet: patched(13, 0) },
  { title: 'nothing but a header', packet: base.subarray(0, 12) },
]

for (const { title, packet } of refused) {
  t.test(`the slow path gets ${title}`, async t => {
    t.equal(read(packet).taken, false)
  })
}

t.test('a packet that is cut anywhere is not taken, whatever stood behind it before', async t => {
  const memory = new Uint8Array(600).fill(1)
  memory.set(withOpt)
  const raw = new RawQuestion(7)
  for (let length = 0; length < withOpt.length; length++) {
    t.equal(raw.read(memory, 0, length, 0), false, `${length} octets`)
  }
})

t.test('no octets make it fail or read on without end', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), octets => {
      const raw = new RawQuestion(7)
      const packet = Buffer.concat([base.subarray(0, 12), octets])
      return typeof raw.read(packet, 0, packet.length, 0) === 'boolean'
    }),
    { numRuns: 2000, seed: 1 },
  )
})
