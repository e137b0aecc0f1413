import { isIP, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { expandIPv6Number, IPv4, IPv6 } from 'ip-num'
import t from 'tap'
import {
  compareIps,
  familyOf,
  formatHostPort,
  type IpAddress,
  ipFromBytes,
  ipFromNumber,
  ipToBytes,
  ipToNumber,
  parseIp,
  parseIpLenient,
  parseIpUnmapped,
} from '#net/ip.ts'

const strict: readonly { text: string; want: string | undefined }[] = [
  { text: '10.0.0.1', want: '10.0.0.1' },
  { text: '10.0.0.01', want: undefined },
  { text: '10.0.0', want: undefined },
  { text: '10.0.0.256', want: undefined },
  { text: ' 10.0.0.1', want: undefined },
  // RFC 5952 section 4: lower case, no leading zeros, the longest run of zeros shortened.
  { text: 'FD00:0010::0001', want: 'fd00:10::1' },
  { text: '2001:db8:0:0:1:0:0:1', want: '2001:db8::1:0:0:1' },
  { text: '::', want: '::' },
  { text: '1::', want: '1::' },
  { text: '1:0:0:2:0:0:0:3', want: '1:0:0:2::3' },
  { text: '1:0:2:3:4:5:6:7', want: '1:0:2:3:4:5:6:7' },
  { text: '1:2:3:4:5:6:7::', want: '1:2:3:4:5:6:7:0' },
  { text: '1:2:3:4::5:6:7:8', want: undefined },
  { text: ':::', want: undefined },
  { text: '::1::', want: undefined },
  { text: '1:2:3:4:5:6:7', want: undefined },
  { text: ':1:2:3:4:5:6:7:8', want: undefined },
  { text: '::10.0.0.1:1', want: undefined },
  { text: '10.0.0.1::', want: undefined },
  { text: '::12345', want: undefined },
  { text: '::ffff:10.0.0.1', want: '::ffff:10.0.0.1' },
  { text: 'fe80::1%eth0', want: undefined },
  { text: 'fd00::g', want: undefined },
  { text: '', want: undefined },
]
for (const { text, want } of strict) {
  t.test(
    `${JSON.stringify(text)} is ${want === undefined ? 'no address' : `the address ${want}`}`,
    async t => t.equal(parseIp(text), want),
  )
}

t.test('lenient: leading zeros are decimal, not octal', async t => {
  t.equal(parseIpLenient('172.30.0.041'), '172.30.0.41')
  t.equal(parseIpLenient('010.000.0.0'), '10.0.0.0')
  t.equal(parseIpLenient('fd00::01'), 'fd00::1')
  t.equal(parseIpLenient('1.2.3'), undefined)
})

const mapped: readonly { text: string; want: string | undefined }[] = [
  { text: '::ffff:1.2.3.4', want: '1.2.3.4' },
  { text: '::FFFF:102:304', want: '1.2.3.4' },
  { text: '0:0:0:0:0:ffff:0.0.0.0', want: '0.0.0.0' },
  { text: '010.0.0.1', want: '10.0.0.1' },
  { text: '::1.2.3.4', want: '::1.2.3.4' },
  { text: '::ffff:0:1.2.3.4', want: '::ffff:0:102:304' },
  { text: '64:ff9b::1.2.3.4', want: '64:ff9b::102:304' },
  { text: 'fd00::1', want: 'fd00::1' },
  { text: '::ffff:1.2.3', want: undefined },
]
for (const { text, want } of mapped) {
  t.test(`${text}, where IPv4-mapped means IPv4`, async t => t.equal(parseIpUnmapped(text), want))
}

t.test('bytes and numbers go both ways', async t => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
      const ip = parseIp(text)
      if (ip === undefined) return false
      return ipFromBytes(ipToBytes(ip)) === ip && ipFromNumber(familyOf(ip), ipToNumber(ip)) === ip
    }),
  )
  t.throws(() => ipFromNumber(4, 1n << 32n), RangeError)
  t.throws(() => ipFromBytes(new Uint8Array(5)), RangeError)
})

t.test('texts mean what they mean to the C library', async t => {
  const piece = fc.constantFrom(
    ':',
    '::',
    '0',
    '1',
    'ffff',
    'FE80',
    '00a',
    '10.0.0.1',
    '1.2.3',
    '%',
  )
  const garbled = fc.array(piece, { maxLength: 14 }).map(pieces => pieces.join(''))
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), garbled), text => {
      const family = isIP(text)
      if (family === 0 || text.includes('%')) return parseIp(text) === undefined
      const { address } = new SocketAddress({ address: text, family: `ipv${family as 4 | 6}` })
      return parseIp(text) === address
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('numbers and canonical texts are those of ip-num', async t => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  fc.assert(
    fc.property(groups, groups => {
      const whole = groups.map(group => group.toString(16).padStart(4, '0')).join(':')
      const ip = parseIp(whole) as IpAddress
      const { value } = new IPv6(whole)
      // ip-num reads no texts that end like IPv4.
      const again = ip.includes('.') ? value : new IPv6(expandIPv6Number(ip)).value
      return ipToNumber(ip) === value && ipFromNumber(6, value) === ip && again === value
    }),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffffn }), value => {
      const ip = ipFromNumber(4, value)
      return ip === new IPv4(value).toString() && ipToNumber(ip) === value
    }),
  )
  t.pass()
})

t.test('order: family, then number', async t => {
  const sorted = ['fd00::1', '10.0.0.10', '10.0.0.9', 'fd00::'].sort((a, b) =>
    compareIps(a as IpAddress, b as IpAddress),
  )
  t.strictSame(sorted, ['10.0.0.9', '10.0.0.10', 'fd00::', 'fd00::1'])
})

t.test('a port follows its address after a colon, IPv6 in brackets', async t => {
  t.equal(formatHostPort('10.0.0.1' as IpAddress, 53), '10.0.0.1:53')
  t.equal(formatHostPort('fd00::1' as IpAddress, 53), '[fd00::1]:53')
})
