import fc from 'fast-check'
import t from 'tap'
import { type Query, type Reply, type ResourceRecord, reply } from '#dns/message.ts'
import type { Plugin } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { loadbalance } from '#dns/plugins/loadbalance/plugin.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { addressRecord, directive, setupContext } from '../../helper/dns.ts'
import { FastBlock } from '../../helper/fast-block.ts'
import { fuzzOptions, hostilePackets } from '../../helper/fuzz.ts'

/** Enough records that small clients get a cut answer. */
const answerOf = ({ question: { name, type } }: Query): Reply => {
  const records = Array.from({ length: 40 }, (_, at) => addressRecord(`192.0.2.${at}`, name))
  const opaque: ResourceRecord = {
    ...addressRecord('', name),
    type: 'TYPE65281',
    data: new Uint8Array(4),
  }
  return reply({ answers: type === 'A' ? records : records.map(() => opaque) })
}

const upstream: Plugin = {
  name: 'upstream',
  fastPath: true,
  wrap: () => query => {
    const remember = {
      again: answerOf,
      forMs: 60_000,
      ttlLeftMs: undefined,
      rotates: false,
    }
    return { ...answerOf(query), remember }
  },
}

const u16 = (packet: Uint8Array, at: number): number =>
  ((packet[at] as number) << 8) | (packet[at + 1] as number)

/** What an answer to this packet may be, whatever the packet. */
function isFit(packet: Uint8Array, answer: Uint8Array | undefined): boolean {
  if (answer === undefined) return packet.length < 12 || (u16(packet, 2) & 0x8000) !== 0
  const asked = decodeMessage(packet)
  const given = decodeMessage(answer)
  if (given.kind !== 'message' || !given.message.isResponse) return false
  if (given.message.id !== u16(packet, 0)) return false
  const edns = asked.kind === 'message' ? asked.message.edns : undefined
  return (
    answer.length <= Math.max(512, edns?.udpSize ?? 0) &&
    (given.message.edns !== undefined) <= (edns !== undefined)
  )
}

t.test('any packet is answered within its limits, or by silence', async t => {
  const plugins = [
    await loadbalance.setup([directive('loadbalance')], setupContext()),
    await cachePlugin().setup([directive('cache')], setupContext()),
    upstream,
  ]
  let nowMs = 0
  const block = new FastBlock(plugins, () => nowMs)
  let fast = 0
  await fc.assert(
    fc.asyncProperty(
      hostilePackets,
      fc.constantFrom(4 as const, 6 as const),
      async (packet, family) => {
        nowMs++
        // As the UDP listener cuts it.
        const cut = packet.slice(0, 512)
        for (let time = 0; time < 3; time++) {
          const ready = block.fast(cut, family)
          const slow = await block.slow(cut, family)
          if (!isFit(cut, slow)) return false
          if (ready === undefined) continue
          fast++
          // The order of addresses is another each time.
          if (!isFit(cut, ready) || ready.length !== slow?.length) return false
        }
        return true
      },
    ),
    fuzzOptions(2000),
  )
  t.strictSame(block.crashes, [], 'no fault of the program was met')
  t.ok(fast > 100, `${fast} answers were ready`)
})
