import t from 'tap'
import { type Query, type Reply, reply } from '../../../src/dns/message.ts'
import { rewrite } from '../../../src/dns/plugins/rewrite/plugin.ts'
import { Unanswered } from '../../../src/dns/unanswered.ts'
import { parseRecord } from '../../../src/dns/zonefile/record.ts'
import { edns, queryFor } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'
import { recordsAsText } from '../../helper/records-as-text.ts'

/** Answers what it is asked with these records; `@` in them is the name it was asked for. */
const answering = (...texts: readonly string[]) => {
  const seen: Query[] = []
  const next = (query: Query): Reply => {
    seen.push(query)
    return reply({
      answers: texts.map(text => parseRecord(text.replaceAll('@', query.question.name))),
    })
  }
  return { seen, next }
}

const answersOf = (found: Reply | undefined) => recordsAsText(found?.answers ?? [])

type Case = readonly [
  rule: string,
  asked: string,
  seen: string,
  answers: readonly string[],
  want: readonly string[],
]
const names: readonly Case[] = [
  ['name a.org b.org', 'A.org.', 'b.org.', ['@ 5 A 10.0.0.1'], ['A.org. 5 A 10.0.0.1']],
  ['name exact a.org b.org', 'x.a.org.', 'x.a.org.', ['@ 5 A 10.0.0.1'], ['x.a.org. 5 A 10.0.0.1']],
  [
    'name prefix foo bar',
    'foo.a.org.',
    'bar.a.org.',
    ['@ 5 A 10.0.0.1'],
    ['bar.a.org. 5 A 10.0.0.1'],
  ],
  [
    'name prefix foo bar',
    'fool.a.org.',
    'fool.a.org.',
    ['@ 5 A 10.0.0.1'],
    ['fool.a.org. 5 A 10.0.0.1'],
  ],
  [
    'name suffix .a.org .b.org',
    'x.a.org.',
    'x.b.org.',
    ['@ 5 A 10.0.0.1'],
    ['x.b.org. 5 A 10.0.0.1'],
  ],
  [
    'name suffix .a.org .b.org answer auto',
    'X.a.org.',
    'x.b.org.',
    ['@ 5 CNAME t.b.org.', 't.b.org. 5 A 10.0.0.1', '@ 5 SRV 1 1 1 s.b.org.', '@ 5 MX 1 m.c.org.'],
    [
      'X.a.org. 5 CNAME t.a.org.',
      't.a.org. 5 A 10.0.0.1',
      'X.a.org. 5 SRV 1 1 1 s.a.org.',
      'X.a.org. 5 MX 1 m.c.org.',
    ],
  ],
  [
    'name substring mid other',
    'a.mid.b.org.',
    'a.other.b.org.',
    ['@ 5 A 10.0.0.1'],
    ['a.other.b.org. 5 A 10.0.0.1'],
  ],
  [
    'name regex (.*)-(us-west-1)\\.coredns\\.rocks {1}.service.{2}.consul answer name (.*)\\.service\\.(us-west-1)\\.consul {1}-{2}.coredns.rocks',
    'ftp-us-west-1.coredns.rocks.',
    'ftp.service.us-west-1.consul.',
    ['@ 5 A 10.0.0.1'],
    ['ftp-us-west-1.coredns.rocks. 5 A 10.0.0.1'],
  ],
  [
    'name a.org b.org answer value (.*)\\.in {1}.out',
    'a.org.',
    'b.org.',
    ['@ 5 CNAME x.in.'],
    ['b.org. 5 CNAME x.out.'],
  ],
]
for (const [rule, asked, want, answers, changed] of names) {
  t.test(`${rule}: ${asked}`, async t => {
    const { ask } = await testedPlugin(rewrite, `rewrite ${rule}`)
    const { seen, next } = answering(...answers)
    const found = await ask(queryFor(asked), next)
    t.equal(seen[0]?.question.name, want)
    t.strictSame(answersOf(found), changed)
  })
}

t.test('the rules in braces; `answer` belongs to the line before it', async t => {
  const { ask } = await testedPlugin(
    rewrite,
    'rewrite stop {\nname regex ^(a)\\.org {1}.net\nanswer name (.*)\\.net {1}.org\n}',
  )
  t.strictSame(answersOf(await ask(queryFor('a.org.'), answering('@ 5 A 10.0.0.1').next)), [
    'a.org. 5 A 10.0.0.1',
  ])
})

t.test('the first rule that fits is the last, unless it says continue', async t => {
  const stop = await testedPlugin(rewrite, 'rewrite name a.org b.org\nrewrite name b.org c.org')
  const first = answering()
  await stop.ask(queryFor('a.org.'), first.next)
  t.equal(first.seen[0]?.question.name, 'b.org.')
  const go = await testedPlugin(
    rewrite,
    'rewrite continue name a.org b.org\nrewrite name b.org c.org',
  )
  const second = answering('@ 5 A 10.0.0.1')
  t.strictSame(
    answersOf(await go.ask(queryFor('a.org.'), second.next)),
    ['a.org. 5 A 10.0.0.1'],
    'answers come back in reverse order',
  )
  t.equal(second.seen[0]?.question.name, 'c.org.')
})

t.test('type and class', async t => {
  const { ask } = await testedPlugin(
    rewrite,
    'rewrite continue type ANY HINFO\nrewrite class CH IN',
  )
  const { seen, next } = answering()
  await ask(queryFor('a.org.', 'ANY'), next)
  t.equal(seen[0]?.question.type, 'HINFO')
})

const ttls: readonly [rule: string, want: number][] = [
  ['ttl a.org 60', 60],
  ['ttl suffix org 10-20', 20],
  ['ttl regex ^a 40-', 40],
  ['ttl a.org -10', 10],
  ['ttl b.org 60', 30],
]
for (const [rule, want] of ttls) {
  t.test(`${rule}: 30 becomes ${want}`, async t => {
    const { ask } = await testedPlugin(rewrite, `rewrite ${rule}`)
    t.match(await ask(queryFor('a.org.'), answering('@ 30 A 10.0.0.1').next), {
      answers: [{ ttl: want }],
    })
  })
}

t.test('rcode, also of what only the server would write', async t => {
  const { ask } = await testedPlugin(rewrite, 'rewrite rcode suffix org SERVFAIL NXDOMAIN')
  t.match(await ask(queryFor('a.org.'), () => reply({ rcode: 'SERVFAIL' })), { rcode: 'NXDOMAIN' })
  const failing = () => {
    throw new Unanswered('SERVFAIL', 'no upstream')
  }
  t.match(await ask(queryFor('a.org.'), failing), { rcode: 'NXDOMAIN' })
  await t.rejects(ask(queryFor('a.net.'), failing), { message: 'no upstream' })
})

t.test('cname: the new target is looked up', async t => {
  const lookup = ({ question: { name } }: Query) =>
    reply({ answers: [parseRecord(`${name} 5 A 10.0.0.2`)] })
  const { ask } = await testedPlugin(rewrite, 'rewrite cname suffix .old.org .new.org', { lookup })
  const found = await ask(
    queryFor('a.org.'),
    answering('@ 5 CNAME t.old.org.', 't.old.org. 5 A 10.0.0.1').next,
  )
  t.strictSame(answersOf(found), ['a.org. 5 CNAME t.new.org.', 't.new.org. 5 A 10.0.0.2'])
  const other = await ask(queryFor('a.org.'), answering('@ 5 A 10.0.0.1').next)
  t.strictSame(answersOf(other), ['a.org. 5 A 10.0.0.1'])
})

const option = (code: number, ...data: readonly number[]) => ({ code, data: Uint8Array.from(data) })
const local = option(0xffee, 1)
const ednsCases: readonly [
  rule: string,
  before: readonly ReturnType<typeof option>[] | undefined,
  after: readonly ReturnType<typeof option>[] | undefined,
][] = [
  ['edns0 local set 0xffee 0x6162', undefined, [option(0xffee, 0x61, 0x62)]],
  ['edns0 local set 0xffee ab', [local], [option(0xffee, 0x61, 0x62)]],
  ['edns0 local append 0xffee ab', [local], [local]],
  ['edns0 local replace 0xffee ab', [], []],
  ['edns0 local unset 0xffee', [local], []],
  ['edns0 local set 0xffee {client_ip}', [], [option(0xffee, 192, 0, 2, 1)]],
  ['edns0 local set 0xffee {qtype}', [], [option(0xffee, 0, 1)]],
  ['edns0 local set 0xffee {a/b}', [], [option(0xffee)]],
  ['edns0 nsid set', [], [option(3)]],
  // RFC 7871 section 6: family 1, source prefix 24, scope 0.
  ['edns0 subnet set 24 56', [], [option(8, 0, 1, 24, 0, 192, 0, 2)]],
]
for (const [rule, before, after] of ednsCases) {
  t.test(rule, async t => {
    const { ask } = await testedPlugin(rewrite, `rewrite ${rule}`)
    const { seen, next } = answering()
    const parts = before === undefined ? {} : { edns: edns({ options: before }) }
    await ask(queryFor('a.org.', 'A', parts), next)
    t.strictSame(
      seen[0]?.edns?.options.map(({ code, data }) => [code, ...data]),
      after?.map(({ code, data }) => [code, ...data]),
    )
  })
}

t.test('revert: what the client did not send it does not get back', async t => {
  const { ask } = await testedPlugin(rewrite, 'rewrite edns0 local set 0xffee ab revert')
  const found = await ask(queryFor('a.org.'), () =>
    reply({ ednsOptions: [option(0xffee, 9), option(5)] }),
  )
  t.strictSame(
    found?.ednsOptions.map(({ code }) => code),
    [5],
  )
})

t.test('a name that cannot be is SERVFAIL', async t => {
  const { ask } = await testedPlugin(rewrite, 'rewrite name regex ^(.*)$ x..{1}')
  await t.rejects(ask(queryFor('a.org.')), { message: /is no name/ })
})

const refused: readonly [string, RegExp][] = [
  ['rewrite', /has no rule/],
  ['rewrite names a b', /unknown field 'names', there are: name, type/],
  ['rewrite name a.org', /needs what to look for and what to make of it/],
  ['rewrite name regex (a+)+ b', /repeats a group/],
  ['rewrite name regex a b answer auto', /cannot turn a pattern round/],
  ['rewrite name a b answer', /after the names may stand/],
  ['rewrite type A', /needs two types/],
  ['rewrite ttl a.org 60-30', /needs a name and seconds/],
  ['rewrite ttl a.org -', /needs a name and seconds/],
  ['rewrite rcode a.org WHAT NOERROR', /two rcodes/],
  ['rewrite edns0 local put 1 a', /needs one of set, append, replace, unset/],
  ['rewrite edns0 local set 0xffee {what}', /is none of qname/],
  ['rewrite {\nname a.org b.org\nttl a\n}', /Corefile:4: rewrite: ttl needs/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(rewrite, text), { message }),
  )
}
