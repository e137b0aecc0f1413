import t from 'tap'
import { encodeAttributes, textAttribute } from '../../src/linux/netlink/attribute.ts'
import { encodeMessage } from '../../src/linux/netlink/message.ts'
import {
  type NftInterest,
  type NftPlace,
  parseNftEvents,
  senderOf,
} from '../../src/linux/nft-events.ts'

const NFTABLES = 10 << 8
const interest: NftInterest = { family: 4, concerns: (_, { table }) => table === 'nodeplane' }

/** An event as the kernel sends it: struct nfgenmsg, then attributes with the table first. */
function event(
  type: number,
  family: number,
  name: string,
  more: Parameters<typeof encodeAttributes>[0] = [],
): Buffer {
  const payload = Buffer.concat([
    Buffer.of(family, 0, 0, 0),
    encodeAttributes([textAttribute(1, name), ...more]),
  ])
  return encodeMessage({ type, flags: 0, sequence: 0, payload })
}

const be32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const commit = encodeMessage({
  type: NFTABLES | 15,
  flags: 0,
  sequence: 0,
  payload: Buffer.concat([
    Buffer.of(0, 0, 0, 0),
    encodeAttributes([
      { type: 1, value: be32(77) },
      { type: 2, value: be32(4242) },
      textAttribute(3, 'nft'),
    ]),
  ]),
})

t.test('of a datagram only what is about the table counts, and ends of transactions', async t => {
  const datagram = Buffer.concat([
    event(NFTABLES | 2, 2, 'nodeplane'),
    event(NFTABLES | 2, 10, 'nodeplane'),
    event(NFTABLES | 2, 2, 'nodeplane-2'),
    event((1 << 8) | 2, 2, 'nodeplane'),
    event(NFTABLES | 12, 2, 'nodeplane'),
    event(NFTABLES | 8, 2, 'nodeplane'),
    commit,
  ])
  t.strictSame(
    [...parseNftEvents(datagram, interest)],
    ['table deleted', 'element added', 'rule deleted', { program: 'nft', pid: 4242 }],
  )
})

t.test('of chains and rules the chain is told', async t => {
  const datagram = Buffer.concat([
    event(NFTABLES | 2, 2, 'nat'),
    event(NFTABLES | 3, 2, 'nat', [textAttribute(3, 'KUBE-SERVICES')]),
    event(NFTABLES | 8, 2, 'nat', [textAttribute(2, 'PREROUTING')]),
    event(NFTABLES | 12, 2, 'nat', [textAttribute(2, 'a set')]),
  ])
  const places: NftPlace[] = []
  const concerns = (_: unknown, place: NftPlace) => places.push(place) < 0
  t.strictSame([...parseNftEvents(datagram, { family: 4, concerns })], [])
  t.strictSame(
    places.map(({ table, chain }) => [table, chain]),
    [
      ['nat', undefined],
      ['nat', 'KUBE-SERVICES'],
      ['nat', 'PREROUTING'],
      ['nat', undefined],
    ],
  )
})

t.test('a length that leads outside is an error, a short datagram has no sender', async t => {
  const bytes = event(NFTABLES | 2, 2, 'nodeplane')
  bytes.writeUInt32LE(4000, 0)
  t.throws(() => [...parseNftEvents(bytes, interest)], RangeError)
  t.equal(senderOf(Buffer.alloc(15)), undefined)
})
