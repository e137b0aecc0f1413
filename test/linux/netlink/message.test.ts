import t from 'tap'
import { encodeAttributes, textAttribute } from '#linux/netlink/attribute.ts'
import {
  decodeMessages,
  encodeMessage,
  type Message,
  type Outcome,
  outcomeOf,
} from '#linux/netlink/message.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

t.test('a message is a header of 16 bytes and its payload, padded', async t => {
  const bytes = encodeMessage({ type: 18, flags: 0x5, sequence: 7, payload: hex('010203') })
  // struct nlmsghdr: length u32, type u16, flags u16, sequence u32, port id u32.
  t.equal(bytes.toString('hex'), '130000001200050007000000000000000102030'.padEnd(40, '0'))
})

t.test('a datagram holds several messages', async t => {
  const messages: readonly Message[] = [
    { type: 16, flags: 2, sequence: 1, payload: hex('aabbccdd') },
    { type: 3, flags: 2, sequence: 1, payload: hex('00000000') },
  ]
  t.same(decodeMessages(Buffer.concat(messages.map(encodeMessage))), messages)
})

for (const bytes of [
  '0f000000 10000000 01000000 00000000',
  '20000000 10000000 01000000 00000000',
]) {
  t.test(`a length that does not fit is refused: ${bytes}`, async t => {
    t.throws(() => decodeMessages(hex(bytes)), RangeError)
  })
}

const sentence = encodeAttributes([textAttribute(1, 'No such thing')])
const outcomes: readonly {
  title: string
  type: number
  flags: number
  payload: Buffer
  want: Outcome | undefined
}[] = [
  { title: 'data ends nothing', type: 16, flags: 2, payload: hex('00'), want: undefined },
  {
    title: 'an acknowledgement',
    type: 2,
    flags: 0x100,
    payload: Buffer.concat([hex('00000000'), Buffer.alloc(16)]),
    want: { errno: 0, sentence: '' },
  },
  {
    title: 'EEXIST without a sentence',
    type: 2,
    flags: 0x100,
    payload: Buffer.concat([hex('efffffff'), Buffer.alloc(16)]),
    want: { errno: 17, sentence: '' },
  },
  {
    title: 'a sentence after the header of the request',
    type: 2,
    flags: 0x300,
    payload: Buffer.concat([hex('eaffffff'), Buffer.alloc(16), sentence]),
    want: { errno: 22, sentence: 'No such thing' },
  },
  {
    title: 'a sentence after the whole request, padded',
    type: 2,
    flags: 0x200,
    payload: Buffer.concat([hex('eaffffff 15000000'), Buffer.alloc(20), sentence]),
    want: { errno: 22, sentence: 'No such thing' },
  },
  {
    title: 'the end of a list',
    type: 3,
    flags: 2,
    payload: hex('00000000'),
    want: { errno: 0, sentence: '' },
  },
  {
    title: 'a list that failed, with a sentence',
    type: 3,
    flags: 0x202,
    payload: Buffer.concat([hex('feffffff'), sentence]),
    want: { errno: 2, sentence: 'No such thing' },
  },
]

for (const { title, want, ...message } of outcomes) {
  t.test(`outcome: ${title}`, async t => {
    t.strictSame(outcomeOf({ ...message, sequence: 1 }), want)
  })
}
