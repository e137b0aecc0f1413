import t from 'tap'
import { reply } from '../../../../src/dns/message.ts'
import { template } from '../../../../src/dns/plugins/template/plugin.ts'
import { addressRecord, query, queryFor, question } from '../../../helper/dns.ts'
import { metricValue, replyAsText, testedPlugin } from '../../../helper/plugin.ts'

const passedOn = reply({ rcode: 'NOTIMP' })
const next = () => passedOn

const addresses = `template IN A example {
  match (^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
  answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
  fallthrough
}`

t.test('makes answers of the parts of a name', async t => {
  const { ask } = await testedPlugin(template, addresses)
  const found = await ask(queryFor('IP-10-0-0-9.example.'), next)
  t.match(found, { authoritative: true })
  t.strictSame(replyAsText(found), {
    rcode: 'NOERROR',
    answers: ['ip-10-0-0-9.example. 60 A 10.0.0.9'],
  })
})

t.test('goes on: another zone, type or class, or no pattern with fallthrough', async t => {
  const { ask } = await testedPlugin(template, addresses)
  for (const other of [
    queryFor('ip-10-0-0-9.example.org.'),
    queryFor('ip-10-0-0-9.example.', 'MX'),
    query({ question: question({ name: 'ip-10-0-0-9.example.', class: 'CH' }) }),
    queryFor('other.example.'),
  ]) {
    t.equal(await ask(other, next), passedOn)
  }
})

t.test('without fallthrough a name that no pattern fits is SERVFAIL', async t => {
  const { ask } = await testedPlugin(
    template,
    'template IN A example {\nmatch ^a\\.\nanswer "{{ .Name }} A 10.0.0.1"\n}',
  )
  await t.rejects(ask(queryFor('b.example.'), next), { message: /no pattern fits/ })
})

t.test('without a record the answer is empty: how AAAA is kept from clients', async t => {
  const { ask } = await testedPlugin(template, 'template IN AAAA .')
  t.match(await ask(queryFor('a.org.', 'AAAA'), next), {
    rcode: 'NOERROR',
    answers: [],
    authoritative: true,
  })
  t.equal(await ask(queryFor('a.org.', 'A'), next), passedOn)
})

t.test(
  'rcode, authority, extended error; the second template when the first falls through',
  async t => {
    const text = `template ANY ANY invalid {
    match ^nothing
    fallthrough
  }
  template ANY ANY invalid {
    rcode NXDOMAIN
    authority "invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)"
    ederror 21 "Blocked according to RFC2606"
  }`
    const { ask } = await testedPlugin(template, text)
    const found = await ask(queryFor('x.invalid.', 'TXT'), next)
    t.strictSame(replyAsText(found), {
      rcode: 'NXDOMAIN',
      authorities: ['invalid. 60 SOA ns.invalid. hostmaster.invalid. 1 60 60 60 60'],
    })
    const data = Buffer.concat([Buffer.from([0, 21]), Buffer.from('Blocked according to RFC2606')])
    t.match(found?.ednsOptions, [{ code: 15, data }])
  },
)

t.test('aliases are followed through the server', async t => {
  const asked: string[] = []
  const { ask } = await testedPlugin(
    template,
    'template IN ANY foogle.com {\nanswer "foogle.com 60 IN CNAME google.com"\n}',
    {
      lookup({ question: { name } }) {
        asked.push(name)
        return reply({ answers: [addressRecord('192.0.2.1', name)] })
      },
    },
  )
  t.strictSame(replyAsText(await ask(queryFor('foogle.com.'))), {
    rcode: 'NOERROR',
    answers: ['foogle.com. 60 CNAME google.com.', 'google.com. 5 A 192.0.2.1'],
  })
  await ask(queryFor('foogle.com.', 'TXT'))
  t.strictSame(asked, ['google.com.'], 'only for addresses')
})

t.test('var and expr', async t => {
  const text = `template IN TXT . {
    var from client_ip()
    expr type() == 'TXT' && proto() == 'udp'
    answer "{{ .Name }} 1 TXT {{ .Var.from }}"
  }`
  const { ask } = await testedPlugin(template, text)
  t.match(replyAsText(await ask(queryFor('a.', 'TXT'))), { answers: ['a. 1 TXT "192.0.2.1"'] })
  await t.rejects(ask(queryFor('a.', 'TXT', { transport: 'tcp' })), { message: /no fallthrough/ })
})

t.test('a template or record that fails is SERVFAIL and counted', async t => {
  const { ask, context } = await testedPlugin(
    template,
    'template IN A . {\nanswer "{{ .Name }} A {{ index .Match 9 }}"\n}\ntemplate IN MX . {\nanswer "{{ .Name }} MX x"\n}',
  )
  await t.rejects(ask(queryFor('a.')), { message: /template: answer/ })
  await t.rejects(ask(queryFor('a.', 'MX')), { message: /template: answer/ })
  const labels = { server: 'dns://:53', zone: '.', class: 'IN', section: 'answer' }
  t.equal(
    await metricValue(context, 'coredns_template_template_failures_total', {
      ...labels,
      type: 'A',
    }),
    1,
  )
  t.equal(
    await metricValue(context, 'coredns_template_rr_failures_total', { ...labels, type: 'MX' }),
    1,
  )
  t.equal(await metricValue(context, 'coredns_template_matches_total', { type: 'A' }), 1)
})

t.test('labels of metadata', async t => {
  const { ask } = await testedPlugin(
    template,
    'template IN TXT . {\nanswer "{{ .Name }} 1 TXT \\"{{ .Meta `a/b` }}\\""\n}',
  )
  const trace = { plugin: '', metadata: new Map([['a/b', () => 'value']]) }
  t.match(replyAsText(await ask(queryFor('a.', 'TXT', { trace }))), {
    answers: ['a. 1 TXT "value"'],
  })
})

const refused: readonly [string, RegExp][] = [
  ['template', /needs a class and a type/],
  ['template IN A {\nmatch (a+)+\n}', /Corefile:3: template match: pattern '\(a\+\)\+' repeats/],
  ['template IN A {\nanswer "{{ .Name"\n}', /Corefile:3: template answer: an action that starts/],
  ['template IN A {\nrcode WHAT\n}', /'WHAT' is no rcode/],
  ['template IN A {\nexpr foo(\n}', /template expr/],
  ['template IN A {\nanswers x\n}', /unknown option, there are: match, answer/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(template, text), { message }),
  )
}
