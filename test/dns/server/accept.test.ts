import t from 'tap'
import { acceptPacket } from '../../../src/dns/server/accept.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'

const hex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const QUESTION = '01 61 00 0001 0001'
const RECORD = '00 0001 0001 00000000 0004 7f000001'
const OPT = '00 0029 04d0 00000000 0000'

const cases: readonly {
  title: string
  packet: string
  want: 'drop' | 'query' | 'NOTIMP' | 'FORMERR'
}[] = [
  { title: 'nothing', packet: '', want: 'drop' },
  { title: 'eleven octets', packet: 'abcd 0100 0001 0000 0000 00', want: 'drop' },
  { title: 'a response', packet: `abcd 8180 0001 0000 0000 0000 ${QUESTION}`, want: 'drop' },
  { title: 'a malformed response', packet: 'abcd 8180 0009 0000 0000 0000', want: 'drop' },
  { title: 'a query', packet: `abcd 0100 0001 0000 0000 0000 ${QUESTION}`, want: 'query' },
  {
    title: 'a query with octets behind it',
    packet: `abcd 0100 0001 0000 0000 0000 ${QUESTION} ffff`,
    want: 'query',
  },
  { title: 'NOTIFY', packet: `abcd 2400 0001 0000 0000 0000 ${QUESTION}`, want: 'query' },
  {
    title: 'NOTIFY with a record',
    packet: `abcd 2400 0001 0001 0000 0000 ${QUESTION} ${RECORD}`,
    want: 'query',
  },
  { title: 'IQUERY', packet: `abcd 0800 0001 0000 0000 0000 ${QUESTION}`, want: 'NOTIMP' },
  { title: 'STATUS', packet: `abcd 1000 0001 0000 0000 0000 ${QUESTION}`, want: 'NOTIMP' },
  { title: 'UPDATE', packet: `abcd 2800 0001 0000 0000 0000 ${QUESTION}`, want: 'NOTIMP' },
  { title: 'opcode 15', packet: `abcd 7800 0001 0000 0000 0000 ${QUESTION}`, want: 'NOTIMP' },
  { title: 'no question', packet: 'abcd 0100 0000 0000 0000 0000', want: 'FORMERR' },
  {
    title: 'two questions',
    packet: `abcd 0100 0002 0000 0000 0000 ${QUESTION} ${QUESTION}`,
    want: 'FORMERR',
  },
  {
    title: 'two answers',
    packet: `abcd 0100 0001 0002 0000 0000 ${QUESTION} ${RECORD} ${RECORD}`,
    want: 'FORMERR',
  },
  {
    title: 'two authorities',
    packet: `abcd 0100 0001 0000 0002 0000 ${QUESTION} ${RECORD} ${RECORD}`,
    want: 'FORMERR',
  },
  {
    title: 'two additionals',
    packet: `abcd 0100 0001 0000 0000 0002 ${QUESTION} ${OPT} ${RECORD}`,
    want: 'query',
  },
  {
    title: 'three additionals',
    packet: `abcd 0100 0001 0000 0000 0003 ${QUESTION} ${OPT} ${RECORD} ${RECORD}`,
    want: 'FORMERR',
  },
  { title: 'a question cut short', packet: 'abcd 0100 0001 0000 0000 0000 01 61', want: 'FORMERR' },
  {
    title: 'a compression loop',
    packet: 'abcd 0100 0001 0000 0000 0000 c00c 0001 0001',
    want: 'FORMERR',
  },
]
for (const { title, packet, want } of cases) {
  t.test(`${title}: ${want}`, async t => {
    const acceptance = acceptPacket(hex(packet))
    if (acceptance.kind !== 'refuse') {
      t.equal(acceptance.kind, want)
      return
    }
    const answer = decodeMessage(acceptance.packet)
    t.equal(acceptance.packet.length, 12)
    t.match(answer, { message: { id: 0xabcd, isResponse: true, rcode: want } })
  })
}

t.test('a refusal repeats the opcode and RD', async t => {
  const acceptance = acceptPacket(hex(`abcd 1100 0001 0000 0000 0000 ${QUESTION}`))
  t.match(acceptance.kind === 'refuse' && decodeMessage(acceptance.packet), {
    message: { opcode: 'STATUS', recursionDesired: true },
  })
})
