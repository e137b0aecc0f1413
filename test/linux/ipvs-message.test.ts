import t from 'tap'
import {
  decodeDestination,
  decodeServer,
  decodeTimeouts,
  encodeDestination,
  encodeServer,
  encodeServerId,
  encodeTimeouts,
  ServerFlag,
} from '#linux/ipvs-message.ts'
import type { IpAddress } from '#net/ip.ts'

const ip = (text: string) => text as IpAddress
const hex = (bytes: Buffer) => bytes.toString('hex')
/** Attributes as length, type and value; bytes in the order of the wire. */
const wire = (...parts: readonly string[]) => parts.join('').replaceAll(' ', '')
/** struct genlmsghdr of an answer: command, version 1, two zero bytes. */
const HEADER = '01010000'

const IPV4 = '14000300 0a600001 00000000 00000000 00000000'
const web = { protocol: 'TCP', address: ip('10.96.0.1'), port: 80 } as const
// linux/ip_vs.h: IPVS_SVC_ATTR_AF 1 u16, PROTOCOL 2 u16, ADDR 3 16 bytes, PORT 4 be16.
const WEB = wire('06000100 02000000', '06000200 06000000', IPV4, '06000400 00500000')

t.test('a virtual server is named by family, protocol, address and port', t => {
  t.equal(hex(encodeServerId(web)), wire('3000 0180', WEB))
  const dns = { protocol: 'UDP', address: ip('fd00::1'), port: 53 } as const
  const address = '14000300 fd000000 00000000 00000000 00000001'
  t.equal(
    hex(encodeServerId(dns)),
    wire('3000 0180', '06000100 0a000000', '06000200 11000000', address, '06000400 00350000'),
  )
  t.equal(hex(encodeServerId({ ...web, protocol: 'SCTP' })).slice(24, 40), '0600020084000000')
  t.end()
})

t.test('a virtual server has a scheduler, flags with their mask, a time-out and a netmask', t => {
  const flags = ServerFlag.persistent
  const server = { ...web, scheduler: 'rr', flags, timeoutSeconds: 10_800 }
  const SCHEDULER = '07000600 72720000'
  const FLAGS = '0c000700 01000000 ffffffff'
  const TIMEOUT = '08000800 302a0000'
  t.equal(
    hex(encodeServer(server)),
    wire('5400 0180', WEB, SCHEDULER, FLAGS, TIMEOUT, '08000900 ffffffff'),
  )
  const server6 = encodeServer({ ...server, address: ip('fd00::1') })
  t.equal(hex(server6).slice(-16), '0800090080000000', 'IPv6: a prefix length')
  t.end()
})

t.test('a destination is reached by NAT and has no limits', t => {
  const to = { address: ip('10.0.0.2'), port: 8080 }
  const name = wire(
    '14000100 0a000002 00000000 00000000 00000000',
    '06000200 1f900000',
    '06000b00 02000000',
  )
  t.equal(hex(encodeDestination(web, to)), wire('3000 0180', WEB, '2800 0280', name))
  const put = wire(
    '08000300 00000000',
    '08000400 01000000',
    '08000500 00000000',
    '08000600 00000000',
  )
  t.equal(hex(encodeDestination(web, to, 1)), wire('3000 0180', WEB, '4800 0280', name, put))
  t.end()
})

t.test('what the kernel lists is read', t => {
  const listed = wire(
    HEADER,
    '5400 0180',
    WEB,
    '07000600 72720000',
    // IP_VS_SVC_F_HASHED is the kernel's own.
    '0c000700 03000000 ffffffff',
    '08000800 302a0000',
    '08000900 ffffffff',
  )
  t.strictSame(decodeServer(Buffer.from(listed, 'hex')), {
    ...web,
    scheduler: 'rr',
    flags: ServerFlag.persistent,
    timeoutSeconds: 10_800,
  })
  const marked = wire(HEADER, '1400 0180', '06000100 02000000', '08000500 07000000')
  t.equal(decodeServer(Buffer.from(marked, 'hex')), undefined, 'one of a firewall mark')
  const destination = wire(
    HEADER,
    '4800 0280',
    '14000100 0a000002 00000000 00000000 00000000',
    '06000200 1f900000',
    '08000300 00000000',
    '08000400 00000000',
    '08000700 03000000',
    '08000800 02000000',
    '06000b00 02000000',
  )
  const expected = {
    address: ip('10.0.0.2'),
    port: 8080,
    weight: 0,
    isNat: true,
    activeConnections: 3,
    inactiveConnections: 2,
  }
  t.strictSame(decodeDestination(Buffer.from(destination, 'hex'), 4), expected)
  const withoutFamily = destination.replace('48000280', '40000280').slice(0, -16)
  t.strictSame(decodeDestination(Buffer.from(withoutFamily, 'hex'), 4), expected)
  const tunnelled = destination.replace('0800030000000000', '0800030002000000')
  t.equal(decodeDestination(Buffer.from(tunnelled, 'hex'), 4)?.isNat, false)
  t.end()
})

t.test('nonsense is refused or left out, not believed', t => {
  t.equal(decodeServer(Buffer.from(HEADER, 'hex')), undefined)
  t.equal(decodeDestination(Buffer.from(HEADER, 'hex'), 4), undefined)
  t.throws(() => decodeServer(Buffer.from(wire(HEADER, 'ff00 0180 0102'), 'hex')), RangeError)
  t.end()
})

t.test('time-outs', t => {
  const timeouts = { tcp: 900, tcpFin: 120, udp: 300 }
  const attributes = encodeTimeouts(timeouts)
  t.equal(hex(attributes), wire('08000400 84030000', '08000500 78000000', '08000600 2c010000'))
  t.strictSame(decodeTimeouts(Buffer.concat([Buffer.from(HEADER, 'hex'), attributes])), timeouts)
  t.end()
})
