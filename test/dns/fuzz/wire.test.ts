import fc from 'fast-check'
import t from 'tap'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import { labelsOf, nameOf, readName } from '#dns/wire/name.ts'
import { WireError } from '#dns/wire/wire-error.ts'
import { fuzzOptions, hostilePackets, seeds } from '../../helper/fuzz.ts'

t.test('what is mutated is well made', async t => {
  for (const seed of seeds) t.equal(decodeMessage(seed).kind, 'message')
})

t.test('any packet is a message or malformed, and a message can be sent on', async t => {
  let messages = 0
  fc.assert(
    fc.property(hostilePackets, packet => {
      const decoded = decodeMessage(packet)
      if (decoded.kind === 'malformed') return true
      messages++
      const octets = encodeMessage(decoded.message, { compressAboveOctets: 0 })
      const again = decodeMessage(octets)
      return again.kind === 'message' && isEqual(again.message, decoded.message)
    }),
    fuzzOptions(5000),
  )
  t.ok(messages > 500, `${messages} of the packets were messages`)
})

/** Sets and octets included. */
const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

t.test('a name is read from any octets, or not; what was read is written the same', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (octets, offset) => {
      try {
        const { name, end } = readName(octets, offset)
        return end <= octets.length && nameOf(labelsOf(name)) === name && name.length <= 1016
      } catch (error) {
        return error instanceof WireError
      }
    }),
    fuzzOptions(5000),
  )
})

t.test('a name that is text has octets, or not', async () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc
      .array(fc.constantFrom('.', '\\', '\\0', '\\255', '\\256', 'a', 'ä', ' ', '"'))
      .map(all => all.join('')),
  )
  fc.assert(
    fc.property(texts, text => {
      try {
        const labels = labelsOf(text)
        const octets = labels.reduce((sum, label) => sum + label.length + 1, 1)
        return octets <= 255 && labels.every(label => label.length > 0 && label.length <= 63)
      } catch (error) {
        return error instanceof WireError
      }
    }),
    fuzzOptions(5000),
  )
})
