import t from 'tap'
import { maxAgeOf, readDohRequest } from '../../../src/dns/server/doh-message.ts'
import { addressRecord, message } from '../../helper/dns.ts'

// RFC 8484 section 4.1.1 has this example: www.example.com, type A, ID 0.
const EXAMPLE = 'AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB'
const PACKET = Buffer.from(
  '00000100000100000000000003777777076578616d706c6503636f6d0000010001',
  'hex',
)

const requests: readonly [method: string, target: string, want: object][] = [
  ['GET', `/dns-query?dns=${EXAMPLE}`, { kind: 'packet', packet: PACKET }],
  ['GET', `/dns-query?ct=any&dns=${EXAMPLE}`, { kind: 'packet', packet: PACKET }],
  ['GET', '/dns-query?dns=-_8A', { kind: 'packet', packet: Buffer.from('fbff00', 'hex') }],
  ['POST', '/dns-query', { kind: 'body' }],
  ['GET', '/dns-query', { kind: 'refused', status: 400 }],
  ['GET', '/dns-query?dns=', { kind: 'refused', status: 400 }],
  ['GET', `/dns-query?dns=${EXAMPLE}&dns=${EXAMPLE}`, { kind: 'refused', status: 400 }],
  ['GET', '/dns-query?dns=AAAAA', { kind: 'refused', status: 400 }],
  ['GET', '/dns-query?dns=AAA=', { kind: 'refused', status: 400 }],
  ['GET', '/dns-query?dns=AA%2BA', { kind: 'refused', status: 400 }],
  ['GET', `/dns-query?dns=${'A'.repeat(87_384)}`, { kind: 'refused', status: 400 }],
  ['PUT', '/dns-query', { kind: 'refused', status: 400 }],
  ['HEAD', `/dns-query?dns=${EXAMPLE}`, { kind: 'refused', status: 400 }],
  ['GET', `/?dns=${EXAMPLE}`, { kind: 'refused', status: 404 }],
  ['POST', '/dns-query/', { kind: 'refused', status: 404 }],
]
for (const [method, target, want] of requests) {
  t.test(`${method} ${target.slice(0, 40)}`, async t =>
    t.match(readDohRequest(method, target), want),
  )
}

t.test('the largest message fits into a GET', async t => {
  const target = `/dns-query?dns=${Buffer.alloc(65_535, 1).toString('base64url')}`
  const request = readDohRequest('GET', target)
  t.equal(request.kind === 'packet' && request.packet.length, 65_535)
})

const soa = (ttl: number, minimum: number) => ({
  name: 'example.org.',
  type: 'SOA' as const,
  class: 'IN',
  ttl,
  data: { mname: 'a.', rname: 'b.', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
})
const ages: readonly [title: string, parts: Parameters<typeof message>[0], want: number][] = [
  [
    'the least TTL',
    {
      answers: [{ ...addressRecord('192.0.2.1'), ttl: 60 }],
      additionals: [{ ...addressRecord('192.0.2.2'), ttl: 30 }],
    },
    30,
  ],
  ['the SOA record of a denial', { rcode: 'NXDOMAIN', authorities: [soa(30, 300)] }, 30],
  ['the last field of that record', { authorities: [soa(300, 20)] }, 20],
  ['an hour at most', { answers: [{ ...addressRecord('192.0.2.1'), ttl: 86_400 }] }, 3600],
  ['5 s where there is no TTL', {}, 5],
  ['5 s for errors', { rcode: 'SERVFAIL', authorities: [soa(300, 300)] }, 5],
]
for (const [title, parts, want] of ages) {
  t.test(`an answer may be kept for ${title}`, async t => t.equal(maxAgeOf(message(parts)), want))
}
