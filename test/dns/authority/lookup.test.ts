import t from 'tap'
import { type AuthorityOutcome, lookupAuthority } from '../../../src/dns/authority/lookup.ts'
import { ZoneData } from '../../../src/dns/authority/zone-data.ts'
import { parseZoneFile } from '../../../src/dns/zonefile/zone-file.ts'
import { recordsAsText } from '../../helper/records-as-text.ts'

const zoneFrom = (text: string) =>
  new ZoneData(
    'example.org.',
    parseZoneFile({ text, path: 'db', origin: 'example.org.' }, () => ''),
  )

const zone = zoneFrom(`$TTL 300
@ SOA ns hostmaster 7 1 2 3 60
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::2
alias CNAME www
alias2 CNAME alias
out CNAME target.example.net.
gone CNAME missing
l1 CNAME l2
l2 CNAME l1
a.b.c A 192.0.2.3
*.wild A 192.0.2.4
*.wild MX 10 www
*.walias CNAME www
deep.in.wild TXT x
sub NS ns.sub
sub NS ns.other.net.
sub DS 1 1 1 ab
ns.sub A 192.0.2.5
dname DNAME www.example.net.
inside DNAME c
mail MX 10 www
_x._tcp SRV 1 2 3 www
h HTTPS 1 www
`)

const soa = 'example.org. 60 SOA ns.example.org. hostmaster.example.org. 7 1 2 3 60'
const ns = 'example.org. 300 NS ns.example.org.'
const a = (name: string, address: string) => `${name} 300 A ${address}`

type Want = {
  readonly kind: AuthorityOutcome['kind']
  readonly answers?: readonly string[]
  readonly authorities?: readonly string[]
  readonly additionals?: readonly string[]
  readonly target?: string
}
const www = [a('www.example.org.', '192.0.2.2'), 'www.example.org. 300 AAAA 2001:db8::2']
const negative = { answers: [], authorities: [soa], additionals: [] }
const cases: readonly [name: string, type: string, want: Want][] = [
  [
    'WWW.example.org.',
    'A',
    {
      kind: 'answer',
      answers: [a('WWW.example.org.', '192.0.2.2')],
      authorities: [ns],
      additionals: [],
    },
  ],
  [
    'example.org.',
    'SOA',
    {
      kind: 'answer',
      answers: ['example.org. 300 SOA ns.example.org. hostmaster.example.org. 7 1 2 3 60'],
      authorities: [ns],
    },
  ],
  [
    'example.org.',
    'NS',
    {
      kind: 'answer',
      answers: [ns],
      authorities: [],
      additionals: [a('ns.example.org.', '192.0.2.1')],
    },
  ],
  ['www.example.org.', 'TXT', { kind: 'no-data', ...negative }],
  ['nope.example.org.', 'A', { kind: 'name-error', ...negative }],
  ['b.c.example.org.', 'A', { kind: 'no-data', ...negative }],
  [
    'alias2.example.org.',
    'A',
    {
      kind: 'answer',
      answers: [
        'alias2.example.org. 300 CNAME alias.example.org.',
        'alias.example.org. 300 CNAME www.example.org.',
        a('www.example.org.', '192.0.2.2'),
      ],
    },
  ],
  [
    'alias.example.org.',
    'CNAME',
    { kind: 'answer', answers: ['alias.example.org. 300 CNAME www.example.org.'] },
  ],
  [
    'alias.example.org.',
    'TXT',
    {
      kind: 'no-data',
      answers: ['alias.example.org. 300 CNAME www.example.org.'],
      authorities: [soa],
    },
  ],
  [
    'out.example.org.',
    'A',
    {
      kind: 'alias',
      answers: ['out.example.org. 300 CNAME target.example.net.'],
      target: 'target.example.net.',
    },
  ],
  [
    'gone.example.org.',
    'A',
    {
      kind: 'name-error',
      answers: ['gone.example.org. 300 CNAME missing.example.org.'],
      authorities: [soa],
    },
  ],
  ['l1.example.org.', 'A', { kind: 'loop' }],
  // RFC 4592: any number of labels, not the wildcard's own name's children, not below an existing name.
  [
    'x.y.wild.example.org.',
    'A',
    { kind: 'answer', answers: [a('x.y.wild.example.org.', '192.0.2.4')] },
  ],
  ['x.wild.example.org.', 'TXT', { kind: 'no-data', ...negative }],
  ['wild.example.org.', 'A', { kind: 'no-data', ...negative }],
  ['x.in.wild.example.org.', 'A', { kind: 'name-error', ...negative }],
  [
    'x.walias.example.org.',
    'A',
    {
      kind: 'answer',
      answers: [
        'x.walias.example.org. 300 CNAME www.example.org.',
        a('www.example.org.', '192.0.2.2'),
      ],
    },
  ],
  [
    'x.sub.example.org.',
    'A',
    {
      kind: 'referral',
      answers: [],
      authorities: [
        'sub.example.org. 300 NS ns.sub.example.org.',
        'sub.example.org. 300 NS ns.other.net.',
      ],
      additionals: [a('ns.sub.example.org.', '192.0.2.5')],
    },
  ],
  ['sub.example.org.', 'NS', { kind: 'referral' }],
  ['sub.example.org.', 'DS', { kind: 'answer', answers: ['sub.example.org. 300 DS 00010101ab'] }],
  // RFC 6672 section 2.2: the label in front moves over.
  [
    'x.dname.example.org.',
    'A',
    {
      kind: 'alias',
      target: 'x.www.example.net.',
      answers: [
        'dname.example.org. 300 DNAME 0377777707' + '6578616d706c65036e657400',
        'x.dname.example.org. 300 CNAME x.www.example.net.',
      ],
    },
  ],
  ['dname.example.org.', 'A', { kind: 'no-data', ...negative }],
  ['a.b.inside.example.org.', 'A', { kind: 'answer' }],
  [
    'mail.example.org.',
    'MX',
    { kind: 'answer', answers: ['mail.example.org. 300 MX 10 www.example.org.'], additionals: www },
  ],
  ['_x._tcp.example.org.', 'SRV', { kind: 'answer', additionals: www }],
  ['h.example.org.', 'HTTPS', { kind: 'answer', additionals: www }],
  ['www.example.org.', 'ANY', { kind: 'answer', answers: www }],
]
for (const [name, type, want] of cases) {
  t.test(`${name} ${type}: ${want.kind}`, async t => {
    const found = lookupAuthority(zone, { name, type, dnssecOk: false })
    const sections = 'answers' in found ? found : { answers: [] }
    const text = {
      ...found,
      ...('answers' in want ? { answers: recordsAsText(sections.answers) } : {}),
      ...('authorities' in sections && want.authorities
        ? { authorities: recordsAsText(sections.authorities) }
        : {}),
      ...('additionals' in sections && want.additionals
        ? { additionals: recordsAsText(sections.additionals) }
        : {}),
    }
    t.match(text, want)
    for (const section of ['answers', 'authorities', 'additionals'] as const) {
      if (want[section] !== undefined) t.strictSame((text as Want)[section], want[section])
    }
  })
}

const signed = zoneFrom(`$TTL 300
@ SOA ns hostmaster 7 1 2 3 60
@ RRSIG SOA 8 2 300 20300101000000 20200101000000 1 example.org. AQ==
@ NSEC b NS SOA RRSIG NSEC
b A 192.0.2.1
b RRSIG A 8 3 300 20300101000000 20200101000000 1 example.org. Ag==
b NSEC d A RRSIG NSEC
d A 192.0.2.2
d NSEC @ A RRSIG NSEC
`)

t.test('a signed zone: signatures and denials only for those who ask by DO', async t => {
  const types = (name: string, dnssecOk: boolean) => {
    const found = lookupAuthority(signed, { name, type: 'A', dnssecOk })
    return 'authorities' in found
      ? [...found.answers, ...found.authorities].map(record => `${record.name} ${record.type}`)
      : []
  }
  t.strictSame(types('b.example.org.', false), ['b.example.org. A'])
  t.strictSame(types('b.example.org.', true), ['b.example.org. A', 'b.example.org. RRSIG'])
  t.strictSame(types('c.example.org.', false), ['example.org. SOA'])
  // RFC 4035 section 3.1.3.2: what covers the name, and what covers the wildcard.
  t.strictSame(types('c.example.org.', true), [
    'example.org. SOA',
    'example.org. RRSIG',
    'b.example.org. NSEC',
    'example.org. NSEC',
  ])
})

const refused: readonly [text: string, message: RegExp][] = [
  ['a 5 A 192.0.2.1', /needs one SOA record/],
  ['@ 5 SOA a b 1 2 3 4 5\n@ 5 SOA a b 2 2 3 4 5', /needs one SOA record/],
  ['@ 5 SOA a b 1 2 3 4 5\na.net. 5 A 192.0.2.1', /outside of zone example\.org\./],
  ['@ 5 SOA a b 1 2 3 4 5\na 5 CNAME b\na 5 A 192.0.2.1', /has a CNAME and A/],
]
for (const [text, message] of refused) {
  t.test(`no zone: ${JSON.stringify(text)}`, async t => t.throws(() => zoneFrom(text), message))
}
