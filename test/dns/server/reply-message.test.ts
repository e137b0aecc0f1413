import t from 'tap'
import { type Edns, type Message, type Query, type Reply, reply } from '../../../src/dns/message.ts'
import { encodeReply } from '../../../src/dns/server/reply-message.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'
import { addressRecord, query, question } from '../../helper/dns.ts'

const edns = (parts: Partial<Edns> = {}): Edns => ({
  version: 0,
  udpSize: 1232,
  dnssecOk: false,
  options: [],
  ...parts,
})
const option = (code: number) => ({ code, data: new Uint8Array([code]) })
const addresses = (count: number) =>
  Array.from({ length: count }, (_, n) => addressRecord(`10.0.${n >> 8}.${n & 255}`))

function answer(parts: Partial<Query>, given: Partial<Reply> = {}): Message & { octets: number } {
  const packet = encodeReply(query(parts), reply(given))
  const decoded = decodeMessage(packet)
  if (decoded.kind === 'malformed') throw new Error(decoded.reason)
  return { ...decoded.message, octets: packet.length }
}

t.test(
  'ID, RD, CD and the question in its letter case come back; the rest is the plugin’s',
  async t => {
    const asked = question({ name: 'ExAmPlE.org.', type: 'HTTPS' })
    t.match(answer({ id: 7, question: asked, checkingDisabled: true, authenticData: true }), {
      id: 7,
      isResponse: true,
      question: asked,
      recursionDesired: true,
      checkingDisabled: true,
      authoritative: false,
      authenticData: false,
      recursionAvailable: false,
      edns: undefined,
    })
  },
)

t.test('flags of an upstream pass', async t => {
  const given = {
    authoritative: true,
    recursionAvailable: true,
    authenticData: true,
    truncated: true,
  }
  t.match(answer({}, given), given)
})

t.test('a name with any octets comes back as it was', async t => {
  const name = 'a\\.b\\000\\255.x\\032y.'
  t.equal(answer({ question: question({ name }) }).question?.name, name)
})

t.test(
  'an OPT record comes back with size and DO, and only with options that are echoed',
  async t => {
    const asked = edns({
      udpSize: 4096,
      dnssecOk: true,
      options: [3, 8, 9, 10, 11, 12, 15].map(option),
    })
    t.strictSame(answer({ edns: asked }).edns, {
      ...asked,
      options: [3, 9, 10, 11, 12].map(option),
    })
  },
)

t.test('an option that a plugin sets takes the place of the echoed one', async t => {
  const nsid = { code: 3, data: new TextEncoder().encode('node-1') }
  t.strictSame(
    answer({ edns: edns({ options: [option(3)] }) }, { ednsOptions: [nsid] }).edns?.options,
    [nsid],
  )
})

t.test('no OPT record without one in the query, even where a plugin sets options', async t => {
  t.equal(answer({}, { ednsOptions: [option(15)] }).edns, undefined)
})

t.test('an extended rcode needs an OPT record', async t => {
  t.equal(answer({ edns: edns() }, { rcode: 'BADCOOKIE' }).rcode, 'BADCOOKIE')
  t.equal(answer({}, { rcode: 'BADCOOKIE' }).rcode, 'SERVFAIL')
})

const sizes: readonly { title: string; query: Partial<Query>; limit: number }[] = [
  { title: 'UDP without OPT', query: {}, limit: 512 },
  {
    title: 'UDP with a size that is too small',
    query: { edns: edns({ udpSize: 100 }) },
    limit: 512,
  },
  { title: 'UDP with 1232', query: { edns: edns() }, limit: 1232 },
  { title: 'UDP with 4096', query: { edns: edns({ udpSize: 4096 }) }, limit: 4096 },
  { title: 'TCP', query: { transport: 'tcp' }, limit: 65_535 },
]
for (const { title, query: parts, limit } of sizes) {
  t.test(`${title}: answers are cut at ${limit} octets, by whole records, with TC`, async t => {
    const { octets, truncated, answers, edns: opt } = answer(parts, { answers: addresses(5000) })
    t.ok(octets <= limit && octets > limit - 16, `${octets} octets`)
    t.equal(truncated, true)
    t.strictSame(answers, addresses(5000).slice(0, answers.length))
    t.equal(opt === undefined, parts.edns === undefined)
  })
}

t.test('what fits is not compressed, and over UDP what is longer than a frame is', async t => {
  const owner = 12 + 1
  const record = (isCompressed: boolean) => (isCompressed ? 2 : owner) + 14
  const big = { edns: edns({ udpSize: 4096 }) }
  const fixed = 12 + owner + 4 + 11
  t.equal(answer(big, { answers: addresses(50) }).octets, fixed + 50 * record(false))
  t.equal(answer(big, { answers: addresses(60) }).octets, fixed + 60 * record(true))
  const tcp = { transport: 'tcp', edns: edns() } as const
  t.equal(answer(tcp, { answers: addresses(1000) }).octets, fixed + 1000 * record(false))
})

t.test('over IPv6 a frame is 1220 octets', async t => {
  const client = { address: '2001:db8::1' as Query['client']['address'], port: 1 }
  const parts = { edns: edns({ udpSize: 4096 }), client }
  t.equal(answer(parts, { answers: addresses(50) }).octets, 12 + 13 + 4 + 11 + 50 * 16)
})
