import fc from 'fast-check'
import { IPv4CidrRange, IPv6CidrRange } from 'ip-num'
import t from 'tap'
import { type IpAddress, ipToNumber, parseIp } from '#net/ip.ts'
import {
  firstAddress,
  formatPrefix,
  type IpPrefix,
  lastAddress,
  networkOf,
  parsePrefix,
  parsePrefixLenient,
  parsePrefixUnmapped,
  prefixContains,
  prefixesOverlap,
} from '#net/prefix.ts'

const prefix = (text: string): IpPrefix => {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`)
  return parsed
}

t.test('parse: what is and what is not a prefix', async t => {
  t.strictSame(parsePrefix('10.1.2.3/16'), { family: 4, address: '10.1.2.3', length: 16 })
  t.equal(formatPrefix(prefix('FD00::1/64')), 'fd00::1/64')
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/08',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/-1',
  ]) {
    t.equal(parsePrefix(text), undefined, text)
  }
  t.strictSame(parsePrefixLenient('203.0.113.000/025'), {
    family: 4,
    address: '203.0.113.0',
    length: 25,
  })
})

t.test('a range of IPv4-mapped addresses, where those mean IPv4', async t => {
  for (const [text, want] of [
    ['::ffff:10.1.0.0/112', '10.1.0.0/16'],
    ['::ffff:a01:0/128', '10.1.0.0/32'],
    ['::ffff:0.0.0.0/96', '0.0.0.0/0'],
    ['::ffff:0.0.0.0/95', '::ffff:0.0.0.0/95'],
    ['203.0.113.000/025', '203.0.113.0/25'],
    ['fd00::/8', 'fd00::/8'],
  ] as const) {
    const prefix = parsePrefixUnmapped(text)
    t.equal(prefix && formatPrefix(prefix), want, text)
    t.equal(prefix?.family, want.includes(':') ? 6 : 4)
  }
  t.equal(parsePrefixUnmapped('::ffff:10.1.0.0/129'), undefined)
})

t.test('first and last address', async t => {
  t.equal(firstAddress(prefix('10.1.2.3/16')), '10.1.0.0')
  t.equal(lastAddress(prefix('10.1.2.3/16')), '10.1.255.255')
  t.equal(lastAddress(prefix('10.0.0.1/32')), '10.0.0.1')
  t.equal(firstAddress(prefix('fd00:1::5/64')), 'fd00:1::')
  t.equal(lastAddress(prefix('fd00:1::/64')), 'fd00:1::ffff:ffff:ffff:ffff')
  t.equal(formatPrefix(networkOf(prefix('192.168.77.5/23'))), '192.168.76.0/23')
})

t.test('a prefix holds its first and its last address and not the ones beside them', async t => {
  t.ok(prefixContains(prefix('0.0.0.0/0'), '255.1.2.3' as IpAddress))
  t.notOk(prefixContains(prefix('10.0.0.0/8'), 'fd00::1' as IpAddress))
  fc.assert(
    fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), (text, length) => {
      const some = { family: 6 as const, address: parseIp(text) as IpAddress, length }
      return prefixContains(some, firstAddress(some)) && prefixContains(some, lastAddress(some))
    }),
  )
  t.notOk(prefixContains(prefix('10.0.1.0/24'), '10.0.2.0' as IpAddress))
  t.notOk(prefixContains(prefix('10.0.1.0/24'), '10.0.0.255' as IpAddress))
})

t.test('overlap is symmetric', async t => {
  t.ok(prefixesOverlap(prefix('10.0.0.0/8'), prefix('10.1.0.0/16')))
  t.ok(prefixesOverlap(prefix('10.1.0.0/16'), prefix('10.0.0.0/8')))
  t.notOk(prefixesOverlap(prefix('10.1.0.0/16'), prefix('10.2.0.0/16')))
  t.notOk(prefixesOverlap(prefix('0.0.0.0/0'), prefix('::/0')))
})

t.test('first and last addresses and what is inside are those of ip-num', async t => {
  const bits = (max: number) => fc.integer({ min: 0, max })
  const four = fc.tuple(fc.ipV4(), bits(32), bits(32))
  const six = fc.tuple(fc.array(bits(0xffff), { minLength: 8, maxLength: 8 }), bits(128), bits(128))
  fc.assert(
    fc.property(four, ([address, length, other]) => {
      const [ours, theirs] = [`${address}/${length}`, `${address}/${other}`]
      const [a, b] = [IPv4CidrRange.fromCidr(ours), IPv4CidrRange.fromCidr(theirs)]
      return (
        firstAddress(prefix(ours)) === a.getFirst().toString() &&
        lastAddress(prefix(ours)) === a.getLast().toString() &&
        prefixesOverlap(prefix(ours), prefix(theirs)) === (a.contains(b) || b.contains(a)) &&
        prefixContains(prefix(ours), lastAddress(prefix(theirs))) ===
          b.getLast().value <= a.getLast().value
      )
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(six, ([groups, length]) => {
      const text = `${groups.map(group => group.toString(16)).join(':')}/${length}`
      const range = IPv6CidrRange.fromCidr(text)
      return (
        ipToNumber(firstAddress(prefix(text))) === range.getFirst().value &&
        ipToNumber(lastAddress(prefix(text))) === range.getLast().value
      )
    }),
    { numRuns: 500 },
  )
  t.pass()
})
