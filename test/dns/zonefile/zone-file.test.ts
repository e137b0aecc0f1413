import t from 'tap'
import { parseZoneFile } from '../../../src/dns/zonefile/zone-file.ts'
import { recordsAsText } from '../../helper/records-as-text.ts'

const files: Readonly<Record<string, string>> = {
  '/zones/part': 'inner A 192.0.2.9\n',
  '/zones/loop': '$INCLUDE loop\n',
  '/zones/bad': '\n\nx A nonsense\n',
}
const read = (path: string): string => files[path] ?? t.fail(path).toString()
const parse = (text: string) =>
  parseZoneFile({ text, path: '/zones/db', origin: 'example.org.' }, read)

const cases: readonly [title: string, text: string, want: readonly string[]][] = [
  [
    '$TTL, @, relative and absolute names',
    '$TTL 1h\n@ NS ns\nns A 192.0.2.1\nb.net. A 192.0.2.2',
    [
      'example.org. 3600 NS ns.example.org.',
      'ns.example.org. 3600 A 192.0.2.1',
      'b.net. 3600 A 192.0.2.2',
    ],
  ],
  [
    'the owner of the line before',
    '$TTL 5\na A 192.0.2.1\n  A 192.0.2.2\n\tTXT x',
    ['a.example.org. 5 A 192.0.2.1', 'a.example.org. 5 A 192.0.2.2', 'a.example.org. 5 TXT "x"'],
  ],
  [
    'parentheses and comments',
    '$TTL 5\n@ SOA ns h ( 1 ; serial\n 2 3 ; more\n 4 5 )',
    ['example.org. 5 SOA ns.example.org. h.example.org. 1 2 3 4 5'],
  ],
  [
    'the TTL of the record before',
    'a 7 A 192.0.2.1\nb A 192.0.2.2',
    ['a.example.org. 7 A 192.0.2.1', 'b.example.org. 7 A 192.0.2.2'],
  ],
  [
    '$ORIGIN',
    '$TTL 5\n$ORIGIN sub\na A 192.0.2.1\n$ORIGIN other.net.\na A 192.0.2.2',
    ['a.sub.example.org. 5 A 192.0.2.1', 'a.other.net. 5 A 192.0.2.2'],
  ],
  [
    '$INCLUDE keeps the origin of the including file',
    '$TTL 5\n$INCLUDE part sub\na A 192.0.2.1',
    ['inner.sub.example.org. 5 A 192.0.2.9', 'a.example.org. 5 A 192.0.2.1'],
  ],
  [
    '$GENERATE',
    '$TTL 5\n$GENERATE 1-3/2 h$ A 10.0.0.${10,2,d}',
    ['h1.example.org. 5 A 10.0.0.11', 'h3.example.org. 5 A 10.0.0.13'],
  ],
]
for (const [title, text, want] of cases) {
  t.test(title, async t => t.strictSame(recordsAsText(parse(text)), want))
}

const wrong: readonly [text: string, message: RegExp][] = [
  ['$TTL 5\n\na A x', /^\/zones\/db:3: A: 'x' is no IPv4 address$/],
  ['$TTL 5\n$INCLUDE bad', /^\/zones\/bad:3: A: 'nonsense'/],
  ['$INCLUDE loop', /nested deeper than 8/],
  ['$TTL x', /\/zones\/db:1: \$TTL/],
  ['  A 192.0.2.1', /names no owner/],
  ['a A 192.0.2.1', /no TTL, and no \$TTL/],
  ['$TTL 5\na CH TXT x', /class CH; only IN/],
  ['$GENERATE 1-100000000 h$ A 10.0.0.1', /more than 65536 records/],
]
for (const [text, message] of wrong) {
  t.test(`refuses ${JSON.stringify(text)}`, async t => t.throws(() => parse(text), message))
}
