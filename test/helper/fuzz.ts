import fc from 'fast-check'
import { type EdnsOption, type Message, type ResourceRecord, reply } from '#dns/message.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import { addressRecord, edns } from './dns.ts'
import { packetOf } from './fast-block.ts'

/** The same inputs in every run; NODEPLANE_FUZZ_SEED and NODEPLANE_FUZZ_RUNS try others, and more. */
const SEED = Number(process.env['NODEPLANE_FUZZ_SEED'] ?? 20_261_121)
const RUNS = process.env['NODEPLANE_FUZZ_RUNS']

/** Checks a property with this many inputs; what fast-check says of a failure has the seed in it. */
export const fuzzOptions = (runs: number) => ({
  seed: SEED,
  numRuns: Number(RUNS ?? runs),
})

const record = (type: string, data: unknown, name = 'a.example.org.'): ResourceRecord =>
  ({ name, type, class: 'IN', ttl: 60, data }) as ResourceRecord

const options: readonly EdnsOption[] = [3, 8, 10, 11, 12, 15].map(code => ({
  code,
  data: new Uint8Array(code),
}))

/** Of every type that is read, compressed. */
const records: readonly ResourceRecord[] = [
  addressRecord('192.0.2.1', 'a.example.org.'),
  addressRecord('2001:db8::1', 'b.a.example.org.'),
  record('CNAME', 'b.example.org.'),
  record('MX', { preference: 1, exchange: 'a.example.org.' }),
  record('SRV', { priority: 1, weight: 2, port: 53, target: 'a.example.org.' }),
  record('TXT', [new Uint8Array([1, 2, 3]), new Uint8Array(0)]),
  record('HINFO', { cpu: 'a', os: 'b' }),
  record('TYPE65280', new Uint8Array([1, 2, 3, 4])),
]

/** Well-made messages of many kinds: what is mutated. */
export const seeds: readonly Uint8Array[] = [
  packetOf({}),
  packetOf({ recursionDesired: true, edns: edns({ udpSize: 4096, dnssecOk: true }) }),
  packetOf({ edns: { ...edns(), options } }),
  packetOf({ edns: { ...edns(), version: 1 } }),
  packetOf({ question: { name: 'WwW.eXample.org.', type: 'ANY', class: 'ANY' } }),
  packetOf({ question: { name: '.', type: 'NS', class: 'CH' } }),
  packetOf({ opcode: 'NOTIFY', question: { name: 'example.org.', type: 'SOA', class: 'IN' } }),
  packetOf({ opcode: 'UPDATE', authorities: records.slice(0, 1) }),
  response({ answers: records }),
  response({ rcode: 'NXDOMAIN', authorities: records, additionals: records, edns: edns() }),
]

function response(parts: Partial<Message>): Uint8Array {
  const question = { name: 'a.example.org.', type: 'A', class: 'IN' }
  const flags = { id: 4711, opcode: 'QUERY', isResponse: true, recursionDesired: true }
  const message = { ...reply(), ...flags, checkingDisabled: false, edns: undefined, question }
  return encodeMessage({ ...message, ...parts }, { compressAboveOctets: 0 })
}

type Mutation = (packet: Uint8Array) => Uint8Array

const setOctet =
  (at: number, octet: number): Mutation =>
  packet =>
    packet.length === 0 ? packet : packet.with(at % packet.length, octet)

/** Mutations at random places, and those that aim: at counts, flags, lengths, pointers. */
const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(600), fc.nat(255)).map(([at, octet]) => setOctet(at, octet)),
  fc.tuple(fc.nat(11), fc.nat(255)).map(([at, octet]) => setOctet(at, octet)),
  // A pointer to anywhere: forwards, to itself, into the header, behind the end.
  fc.tuple(fc.integer({ min: 12, max: 300 }), fc.nat(0x3fff)).map(
    ([at, to]): Mutation =>
      packet =>
        setOctet(at + 1, to & 0xff)(setOctet(at, 0xc0 | (to >> 8))(packet)),
  ),
  fc.nat(600).map(
    (length): Mutation =>
      packet =>
        packet.slice(0, length % (packet.length + 1)),
  ),
  fc.uint8Array({ maxLength: 600 }).map(
    (more): Mutation =>
      packet =>
        joined(packet, more),
  ),
  fc.tuple(fc.nat(600), fc.uint8Array({ maxLength: 40 })).map(
    ([at, more]): Mutation =>
      packet =>
        joined(packet.slice(0, at), more, packet.slice(at)),
  ),
  fc.constantFrom(...seeds).map(
    (other): Mutation =>
      packet =>
        joined(packet, other.slice(12)),
  ),
)

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** Packets that are right, nearly right, and some that are noise. */
export const hostilePackets: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...seeds), fc.array(mutations, { maxLength: 5 }))
      .map(([seed, all]) => all.reduce((packet, mutate) => mutate(packet), seed)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 600 }) },
)

/** Text that is nearly right: parts of `texts` in any order, and noise between. */
export const hostileText = (texts: readonly string[]): fc.Arbitrary<string> => {
  const pieces = texts.flatMap(text => text.match(/\s+|[^\s]+/g) ?? [])
  const noise = fc.oneof(
    fc.constantFrom('{', '}', '"', '\\', '(', ')', ';', '#', '\n', '\0', '{$', '$', '@', '*', '..'),
    fc.string({ unit: 'binary', maxLength: 12 }),
  )
  const shuffled = fc.array(fc.oneof(fc.constantFrom(...pieces), noise), { maxLength: 60 })
  const cut = fc
    .tuple(fc.constantFrom(...texts), fc.nat(2000), fc.nat(2000), noise)
    .map(([text, from, to, middle]) => {
      const [first, last] = [from % (text.length + 1), to % (text.length + 1)]
      return `${text.slice(0, first)}${middle}${text.slice(last)}`
    })
  return fc.oneof(
    shuffled.map(parts => parts.join('')),
    cut,
  )
}
