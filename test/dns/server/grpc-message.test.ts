import fc from 'fast-check'
import t from 'tap'
import { readGrpcRequest, writeGrpcAnswer } from '../../../src/dns/server/grpc-message.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

const bodies: readonly [title: string, body: string, want: object][] = [
  ['a packet', '00 00000005 0a 03 010203', { kind: 'packet', packet: hex('010203') }],
  ['an empty message', '00 00000000', { kind: 'packet', packet: hex('') }],
  [
    'the last of two fields',
    '00 00000006 0a 01 01 0a 01 02',
    { kind: 'packet', packet: hex('02') },
  ],
  [
    'unknown fields of every type',
    '00 00000017 10 96 01 19 0102030405060708 22 01 ff 2d 01020304 0a 01 07',
    { kind: 'packet', packet: hex('07') },
  ],
  ['no message', '', { kind: 'refused', status: 13 }],
  ['half a frame', '00 0000', { kind: 'refused', status: 13 }],
  ['less than the frame says', '00 00000009 0a 03 010203', { kind: 'refused', status: 13 }],
  ['two messages', '00 00000000 00 00000000', { kind: 'refused', status: 13 }],
  ['compression', '01 00000000', { kind: 'refused', status: 12 }],
  ['a field longer than the message', '00 00000003 0a 7f 01', { kind: 'refused', status: 13 }],
  ['field number 0', '00 00000002 02 00', { kind: 'refused', status: 13 }],
  ['a group', '00 00000001 0b', { kind: 'refused', status: 13 }],
  ['a number without end', '00 00000003 08 ffff', { kind: 'refused', status: 13 }],
]
for (const [title, body, want] of bodies) {
  t.test(`a call with ${title}`, async t => t.match(readGrpcRequest(hex(body)), want))
}

t.test('an answer', async t => {
  t.strictSame(Buffer.from(writeGrpcAnswer(hex('0102'))), hex('00 00000004 0a 02 0102'))
  const long = Buffer.from(writeGrpcAnswer(Buffer.alloc(300)))
  t.strictSame(long.subarray(0, 8), hex('00 0000012f 0a ac02'))
})

t.test('any packet comes through, and no body breaks the reader', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), packet => {
      const read = readGrpcRequest(Buffer.from(writeGrpcAnswer(packet)))
      return read.kind === 'packet' && Buffer.compare(read.packet, packet) === 0
    }),
    { seed: 1 },
  )
  fc.assert(
    fc.property(fc.uint8Array(), fields => {
      const frame = Buffer.concat([hex('00 00000000'), fields])
      frame.writeUInt32BE(fields.length, 1)
      return readGrpcRequest(frame).kind !== undefined
    }),
    { seed: 1 },
  )
})
