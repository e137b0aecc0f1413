import t from 'tap'
import type { ResourceRecord } from '#dns/message.ts'
import { recordText } from '#dns/record-text.ts'
import type { IpAddress } from '#net/ip.ts'

const of = (parts: Pick<ResourceRecord, 'type' | 'data'>) =>
  ({ name: 'a.test.', ttl: 30, class: 'IN', ...parts }) as ResourceRecord
const srv = { priority: 0, weight: 100, port: 80, target: 'b.test.' }
const soa = {
  mname: 'ns.test.',
  rname: 'admin.test.',
  serial: 7,
  refresh: 1,
  retry: 2,
  expire: 3,
  minimum: 4,
}

/** RFC 1035 section 5.1 and 3.3, RFC 2782, RFC 3597 section 5. */
const cases: readonly (readonly [Pick<ResourceRecord, 'type' | 'data'>, string])[] = [
  [{ type: 'A', data: '192.0.2.1' as IpAddress }, 'A 192.0.2.1'],
  [{ type: 'AAAA', data: '2001:db8::1' as IpAddress }, 'AAAA 2001:db8::1'],
  [{ type: 'CNAME', data: 'b.test.' }, 'CNAME b.test.'],
  [{ type: 'SRV', data: srv }, 'SRV 0 100 80 b.test.'],
  [{ type: 'MX', data: { preference: 10, exchange: 'b.test.' } }, 'MX 10 b.test.'],
  [{ type: 'SOA', data: soa }, 'SOA ns.test. admin.test. 7 1 2 3 4'],
  [
    { type: 'TXT', data: [Buffer.from('a "b"\\'), Buffer.from([0x1b, 0xff])] },
    'TXT "a \\"b\\"\\\\" "\\027\\255"',
  ],
  [{ type: 'TYPE65280', data: Uint8Array.of(0xab, 0x01) }, 'TYPE65280 \\# 2 ab01'],
  [{ type: 'TYPE65280', data: new Uint8Array() }, 'TYPE65280 \\# 0'],
]
for (const [parts, text] of cases) {
  t.test(text, t => {
    t.equal(recordText(of(parts)), `a.test. 30 IN ${text}`)
    t.end()
  })
}
