import t from 'tap'
import { type Query, reply } from '../../../src/dns/message.ts'
import { embed, parseEmbeddingPrefix } from '../../../src/dns/plugins/dns64/embed.ts'
import { dns64 } from '../../../src/dns/plugins/dns64/plugin.ts'
import { parseRecord } from '../../../src/dns/zonefile/record.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { edns, queryFor } from '../../helper/dns.ts'
import { metricValue, replyAsText, testedPlugin } from '../../helper/plugin.ts'

// RFC 6052 section 2.4: the examples of the table.
const embedded: readonly [prefix: string, want: string][] = [
  ['2001:db8::/32', '2001:db8:c000:221::'],
  ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
  ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
  ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
  ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100:0'],
  ['2001:db8:122:344::/96', '2001:db8:122:344::c000:221'],
]
for (const [text, want] of embedded) {
  t.test(`192.0.2.33 in ${text}`, async t => {
    const prefix = parseEmbeddingPrefix(text)
    if (prefix === undefined) throw new Error(text)
    t.equal(embed(prefix, '192.0.2.33' as IpAddress), want)
  })
}

const v6 = { client: { address: '2001:db8::9' as IpAddress, port: 1 } }
const soa = parseRecord('org. 60 SOA a. b. 1 2 3 4 60')
const lookup = ({ question: { name, type } }: Query) =>
  type === 'A'
    ? reply({
        answers: [parseRecord(`${name} 300 CNAME b.org.`), parseRecord('b.org. 300 A 192.0.2.33')],
      })
    : undefined
const withText = (text = 'dns64') => testedPlugin(dns64, text, { lookup })
const noData = () => reply({ authoritative: true, authorities: [soa] })

t.test(
  'a name without AAAA gets addresses made of its A records; TTL no longer than the SOA record’s',
  async t => {
    const { ask, context } = await withText()
    const found = await ask(queryFor('a.org.', 'AAAA', v6), noData)
    t.strictSame(replyAsText(found), {
      rcode: 'NOERROR',
      answers: ['a.org. 300 CNAME b.org.', 'b.org. 60 AAAA 64:ff9b::c000:221'],
    })
    t.equal(found?.authoritative, false)
    t.equal(await metricValue(context, 'coredns_dns64_requests_translated_total'), 1)
  },
)

const own = reply({ answers: [parseRecord('a.org. 5 AAAA 2001:db8::1')] })
const untouched: readonly [title: string, query: Query, answer: () => ReturnType<typeof reply>][] =
  [
    ['it has AAAA records', queryFor('a.org.', 'AAAA', v6), () => own],
    ['it does not exist', queryFor('a.org.', 'AAAA', v6), () => reply({ rcode: 'NXDOMAIN' })],
    ['another type', queryFor('a.org.', 'A', v6), noData],
    ['a client over IPv4', queryFor('a.org.', 'AAAA'), noData],
    // RFC 6147 section 5.5.
    [
      'a client that validates',
      queryFor('a.org.', 'AAAA', { ...v6, checkingDisabled: true, edns: edns({ dnssecOk: true }) }),
      noData,
    ],
  ]
for (const [title, query, answer] of untouched) {
  t.test(`as it is: ${title}`, async t => {
    const given = answer()
    t.equal(await (await withText()).ask(query, () => given), given)
  })
}

t.test('translate_all, allow_ipv4, prefix', async t => {
  const { ask } = await withText('dns64 {\ntranslate_all\nallow_ipv4\nprefix 2001:db8::/32\n}')
  t.match(replyAsText(await ask(queryFor('a.org.', 'AAAA'), () => own)), {
    answers: ['a.org. 300 CNAME b.org.', 'b.org. 300 AAAA 2001:db8:c000:221::'],
  })
})

for (const text of [
  'dns64 10.0.0.0/8',
  'dns64 2001:db8::/33',
  'dns64 a b',
  'dns64 {\nprefix\n}',
  'dns64 {\nall\n}',
]) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(withText(text), { code: 'ERR_CONFIG' }),
  )
}
