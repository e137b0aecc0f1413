import t from 'tap'
import { parseRecord } from '../../../src/dns/zonefile/record.ts'
import { recordsAsText } from '../../helper/records-as-text.ts'

const hex = (text: string) => text.replaceAll(' ', '')

const cases: readonly [text: string, want: string][] = [
  ['a.org. 60 IN A 192.0.2.1', 'a.org. 60 A 192.0.2.1'],
  ['a.org IN 1h AAAA 2001:DB8::1', 'a.org. 3600 AAAA 2001:db8::1'],
  ['a.org CNAME b.org', 'a.org. 3600 CNAME b.org.'],
  ['a.org. 5 TXT "a b" c\\100', 'a.org. 5 TXT "a b" "cd"'],
  ['_x._tcp.a.org. 5 SRV 1 2 3 t.org.', '_x._tcp.a.org. 5 SRV 1 2 3 t.org.'],
  ['a.org. 5 SOA n.org. h.org. (1 2h 3 4 5)', 'a.org. 5 SOA n.org. h.org. 1 7200 3 4 5'],
  // RFC 3597 section 5: the generic form, of known types too.
  ['a.org. 5 A \\# 4 C0000201', 'a.org. 5 A 192.0.2.1'],
  ['a.org. 5 TYPE65280 \\# 3 AB CDEF', 'a.org. 5 TYPE65280 abcdef'],
  // RFC 4034 section 5.4.
  ['a.org. 5 DS 60485 5 1 2BB183AF', `a.org. 5 DS ${hex('ec45 05 01 2bb183af')}`],
  // RFC 8659 section 4.1: flags, tag length, tag, value.
  ['a.org. 5 CAA 0 issue "ca.org"', `a.org. 5 CAA ${hex('00 05 6973737565 63612e6f7267')}`],
  // RFC 9460 appendix D.2: figures 5 (a port) and 9 (an IPv6 hint), and parameters sorted by key.
  [
    'e.com. 5 SVCB 16 foo.e.com. port=53',
    `e.com. 5 SVCB ${hex('0010 03666f6f 0165 03636f6d 00 0003 0002 0035')}`,
  ],
  [
    'e.com. 5 HTTPS 1 . port=53 alpn="h2"',
    `e.com. 5 HTTPS ${hex('0001 00 0001 0003 026832 0003 0002 0035')}`,
  ],
  // RFC 4034 section 4.3: a type bit map.
  [
    'a. 5 NSEC host.e.com. (A MX RRSIG NSEC TYPE1234)',
    `a. 5 NSEC ${hex('04686f7374 0165 03636f6d 00 0006 400100000003 041b 000000000000000000000000000000000000000000000000000020')}`,
  ],
  ['a.org. 5 DNAME b.org.', `a.org. 5 DNAME ${hex('0162 036f7267 00')}`],
  ['a.org. 5 TLSA 3 1 1 AB', `a.org. 5 TLSA ${hex('03 01 01 ab')}`],
]
for (const [text, want] of cases) {
  t.test(`reads ${text.slice(0, 50)}`, async t => {
    t.strictSame(recordsAsText([parseRecord(text)]), [want])
  })
}

const wrong: readonly [text: string, message: RegExp][] = [
  ['a.org. 5 A 192.0.2.256', /A: '192\.0\.2\.256' is no IPv4 address/],
  ['a.org. 5 A 192.0.2.1 x', /'x' is too much/],
  ['a.org. 5 MX mail', /'mail' is no preference/],
  ['a.org. 5 WHAT x', /'WHAT' is no record type/],
  ['a.org. 5 LOC 1 2 3', /write \\# LENGTH HEX/],
  ['a..org. 5 A 192.0.2.1', /an empty label/],
  ['a.org. 5 TXT "a', /a quote that starts here does not end/],
  ['a.org. 5 SOA a. b. (1 2 3 4 5', /a '\(' is never closed/],
  ['a.org. 5 A \\# 3 C0000201', /4 octets, not 3/],
  ['a.org. 5 A 1.1.1.1\nb.org. 5 A 1.1.1.1', /more than one record/],
  ['', /no record/],
  [`a.org. 5 TXT ${'x'.repeat(256)}`, /longer than 255 octets/],
]
for (const [text, message] of wrong) {
  t.test(`refuses ${text.slice(0, 40)}`, async t => {
    t.throws(() => parseRecord(text), message)
  })
}
