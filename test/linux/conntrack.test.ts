import t from 'tap'
import { encodeUdpPath, encodeUdpQuery, udpFlowOf } from '#linux/conntrack.ts'
import { decodeAttributes } from '#linux/netlink/attribute.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')

// nfgenmsg; CTA_TUPLE_ORIG (1) > CTA_TUPLE_PROTO (2) > CTA_PROTO_NUM (1) 17; CTA_FILTER (25) > flags: CTA_PROTO_NUM.
const filter = '10000180 0c000280 05000100 11000000 14001980 08000100 08000000 08000200 00000000'

t.test('a list is of one family, and UDP only', async t => {
  t.equal(
    encodeUdpQuery({ family: 4 }).toString('hex'),
    bytes(`02000000 ${filter}`).toString('hex'),
  )
  t.equal(
    encodeUdpQuery({ family: 6 }).toString('hex'),
    bytes(`0a000000 ${filter}`).toString('hex'),
  )
})

t.test(
  'a list of what was sent to a destination compares its port, and its address in IPv4',
  async t => {
    const query = (family: 4 | 6, address?: string) => {
      const destination = {
        port: 0x1f90,
        ...(address && { address: parseIp(address) as IpAddress }),
      }
      return encodeUdpQuery({ family, destination }).toString('hex')
    }
    // CTA_PROTO_DST_PORT (3), big endian; flag 5. CTA_TUPLE_IP (1) > CTA_IP_V4_DST (2); flag 1.
    const protocol = '14000280 05000100 11000000 06000300 1f900000'
    const flags = (compared: string) => `14001980 08000100 ${compared}000000 08000200 00000000`
    const hex = (text: string) => bytes(text).toString('hex')
    t.equal(query(4), hex(`02000000 18000180 ${protocol} ${flags('28')}`))
    t.equal(
      query(4, '10.96.0.1'),
      hex(`02000000 24000180 0c000180 08000200 0a600001 ${protocol} ${flags('2a')}`),
    )
    t.equal(query(6, 'fd00::1'), hex(`0a000000 18000180 ${protocol} ${flags('28')}`))
  },
)

t.test('a path is half of either tuple, and flags that say so', async t => {
  const path = {
    destination: { address: parseIp('10.96.0.1') as IpAddress, port: 0x50 },
    replySource: { address: parseIp('10.244.1.2') as IpAddress, port: 0x1f90 },
  }
  // CTA_TUPLE_ORIG (1), CTA_TUPLE_REPLY (2), each > CTA_TUPLE_IP (1) > v4 source 1, destination 2; CTA_TUPLE_PROTO (2) >
  // number 1, source port 2, destination port 3. CTA_FILTER (25): address, number and port of either side.
  const to = '24000180 0c000180 08000200 0a600001 14000280 05000100 11000000 06000300 00500000'
  const from = '24000280 0c000180 08000100 0af40102 14000280 05000100 11000000 06000200 1f900000'
  const flags = '14001980 08000100 2a000000 08000200 19000000'
  t.equal(
    encodeUdpPath(path).toString('hex'),
    bytes(`02000000 ${to} ${from} ${flags}`).toString('hex'),
  )
})

// CTA_TUPLE_IP (1) > source 1, destination 2 (IPv6: 3, 4); CTA_TUPLE_PROTO (2) > number 1, ports 2 and 3 (big endian).
const tuple4 = (type: string, from: string, to: string, protocol = '11') =>
  `3400${type}80 14000180 08000100 ${from.slice(0, 8)} 08000200 ${to.slice(0, 8)}
   1c000280 05000100 ${protocol}000000 06000200 ${from.slice(8)}0000 06000300 ${to.slice(8)}0000`.replaceAll(
    /\s/g,
    '',
  )

const tuple6 = (type: string, from: string, to: string) =>
  `4c00${type}80 2c000180 14000300 ${from.slice(0, 32)} 14000400 ${to.slice(0, 32)}
   1c000280 05000100 11000000 06000200 ${from.slice(32)}0000 06000300 ${to.slice(32)}0000`.replaceAll(
    /\s/g,
    '',
  )

t.test('a flow is where it was sent to, and where answers come from', async t => {
  const client = '0af401040fa1'
  const entry = tuple4('01', client, '0a6000010050') + tuple4('02', '0af401021f90', client)
  t.strictSame(udpFlowOf(decodeAttributes(bytes(entry))), {
    destination: '10.96.0.1',
    destinationPort: 80,
    replySource: '10.244.1.2',
    replySourcePort: 8080,
  })
})

t.test('a flow of IPv6', async t => {
  const client = `fd000244000100000000000000000004${'0fa1'}`
  const vip = `fd000096000000000000000000000001${'0050'}`
  const pod = `fd000244000100000000000000000002${'1f90'}`
  const entry = tuple6('01', client, vip) + tuple6('02', pod, client)
  t.strictSame(udpFlowOf(decodeAttributes(bytes(entry))), {
    destination: 'fd00:96::1',
    destinationPort: 80,
    replySource: 'fd00:244:1::2',
    replySourcePort: 8080,
  })
})

t.test('entries of other protocols and half ones are none', async t => {
  const client = '0af401040fa1'
  const tcp =
    tuple4('01', client, '0a6000010050', '06') + tuple4('02', '0af401021f90', client, '06')
  t.equal(udpFlowOf(decodeAttributes(bytes(tcp))), undefined)
  t.equal(udpFlowOf(decodeAttributes(bytes(tuple4('01', client, '0a6000010050')))), undefined)
  t.equal(udpFlowOf(new Map()), undefined)
})
