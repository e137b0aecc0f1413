import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { frame, splitMessages } from '../../../src/dns/server/framing.ts'

t.test('messages come out whole however the stream is cut', async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 })
  fc.assert(
    fc.property(messages, fc.array(fc.nat(60), { maxLength: 8 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(frame))
      const got: Uint8Array[] = []
      let rest: Buffer = Buffer.alloc(0)
      let start = 0
      for (const length of [...cuts, stream.length]) {
        const split = splitMessages(Buffer.concat([rest, stream.subarray(start, start + length)]))
        start += length
        rest = split.rest
        got.push(...split.messages.map(message => Uint8Array.from(message)))
      }
      assert.deepEqual(got, sent)
      assert.equal(rest.length, 0)
    }),
  )
})
