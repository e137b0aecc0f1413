import fc from 'fast-check'
import t from 'tap'
import { type Query, type Reply, reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { forwardPlugin } from '#dns/plugins/forward/plugin.ts'
import { ForwardError, readAnswer, toAsk } from '#dns/plugins/forward/upstream-message.ts'
import { splitMessages } from '#dns/server/framing.ts'
import { encodeReply } from '#dns/server/reply-message.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { addressRecord, directive, patience, queryFor, setupContext } from '../../helper/dns.ts'
import { FakeUpstream } from '../../helper/fake-upstream.ts'
import { fuzzOptions, hostilePackets } from '../../helper/fuzz.ts'

const NAME = 'a.example.org.'

t.test('any packet of a server is an answer, none, or cannot be read', async t => {
  const query = queryFor(NAME, 'A')
  const asked = toAsk(query)
  let answers = 0
  fc.assert(
    fc.property(hostilePackets, fc.constantFrom('udp', 'tcp'), (packet, transport) => {
      try {
        const got = readAnswer(packet, asked, transport)
        if (got === undefined) return transport === 'udp' || !isResponse(packet)
        answers++
        return isResponse(packet) && isAbout(packet, got) && canBeSentOn(query, got)
      } catch (error) {
        return isResponse(packet) && error instanceof ForwardError
      }
    }),
    fuzzOptions(3000),
  )
  t.ok(answers > 100, `${answers} were answers`)
})

function isResponse(packet: Uint8Array): boolean {
  return packet.length >= 12 && ((packet[2] ?? 0) & 0x80) !== 0
}

/** What is not an answer to the question has nothing in it. */
function isAbout(packet: Uint8Array, { answers }: Reply): boolean {
  if (answers.length === 0) return true
  const decoded = decodeMessage(packet)
  if (decoded.kind !== 'message') return false
  const { question } = decoded.message
  return question?.name.toLowerCase() === NAME && question.type === 'A'
}

/** Whatever a server says, the client of the query gets no more than it takes. */
function canBeSentOn(query: Query, got: Reply): boolean {
  return encodeReply(query, got).length <= 512
}

t.test('a storm of bad packets neither ends the wait nor is believed', async t => {
  const storm = fc
    .sample(hostilePackets, { ...fuzzOptions(200), numRuns: 200 })
    .filter(packet => packet.length > 1)
  await using upstream = await FakeUpstream.start(
    ({ message: { id }, send, answer, transport }) => {
      for (const packet of storm) {
        // Whatever else it says, the ID was not guessed.
        const wrongId = packet.with(0, (id >> 8) ^ 0x40)
        if (transport === 'udp' || wrongId.length < 0xffff) send(wrongId)
      }
      answer({ answers: [addressRecord('192.0.2.1', NAME)] })
    },
  )
  const plugin = await forwardPlugin().setup(
    [directive(`forward . ${upstream.address}`)],
    setupContext(),
  )
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(() => reply()) as Handler
  for (const transport of ['udp', 'tcp'] as const) {
    const got = await handler(queryFor(NAME, 'A', { transport }), patience())
    t.match(got, { answers: [{ data: '192.0.2.1' }] }, transport)
  }
})

t.test('a stream is cut into its messages, however it comes', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 80 })),
      fc.array(fc.nat(40)),
      (packets, cuts) => {
        const stream = Buffer.concat(
          packets.flatMap(packet => [Uint8Array.of(0, packet.length), packet]),
        )
        let rest: Buffer = Buffer.alloc(0)
        let start = 0
        const got: Uint8Array[] = []
        for (const cut of [...cuts, stream.length]) {
          const split = splitMessages(Buffer.concat([rest, stream.subarray(start, start + cut)]))
          start += cut
          rest = split.rest
          got.push(...split.messages)
        }
        return rest.length === 0 && Buffer.concat(got).equals(Buffer.concat(packets))
      },
    ),
    fuzzOptions(1000),
  )
})
