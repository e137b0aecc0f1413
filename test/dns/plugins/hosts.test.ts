import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { hosts } from '../../../src/dns/plugins/hosts/plugin.ts'
import { queryFor } from '../../helper/dns.ts'
import { eventually } from '../../helper/eventually.ts'
import { metricValue, replyAsText, testedPlugin } from '../../helper/plugin.ts'

const passedOn = reply({ rcode: 'NOTIMP' })
const next = () => passedOn

const folder = t.testdir({
  hosts: `# comment
192.0.2.10 a.example.org b.example.org # more
::ffff:192.0.2.11 mapped.example.org
fe80::1%eth0 zoned.example.org
300.1.1.1 nonsense.example.org
192.0.2.12 *.wild.example.org
192.0.2.13 own.wild.example.org
2001:db8::1 A.example.org
`,
})

const withFile = (options = '') =>
  testedPlugin(
    hosts,
    `hosts hosts example.org {\n10.0.0.1 a.example.org inline.example.org\n${options}\n}`,
    {
      directory: folder,
      zones: ['.'],
    },
  )

const a = (name: string, address: string) => `${name} 3600 A ${address}`
const cases: readonly [name: string, type: string, answers: readonly string[]][] = [
  ['a.example.org.', 'A', [a('a.example.org.', '192.0.2.10'), a('a.example.org.', '10.0.0.1')]],
  ['A.Example.org.', 'AAAA', ['a.example.org. 3600 AAAA 2001:db8::1']],
  ['mapped.example.org.', 'A', [a('mapped.example.org.', '192.0.2.11')]],
  ['zoned.example.org.', 'AAAA', ['zoned.example.org. 3600 AAAA fe80::1']],
  ['x.wild.example.org.', 'A', [a('x.wild.example.org.', '192.0.2.12')]],
  ['own.wild.example.org.', 'A', [a('own.wild.example.org.', '192.0.2.13')]],
  [
    '10.2.0.192.in-addr.arpa.',
    'PTR',
    [
      '10.2.0.192.in-addr.arpa. 3600 PTR a.example.org.',
      '10.2.0.192.in-addr.arpa. 3600 PTR b.example.org.',
    ],
  ],
  ['b.example.org.', 'AAAA', []],
  ['b.example.org.', 'MX', []],
]
for (const [name, type, answers] of cases) {
  t.test(`answers ${name} ${type}`, async t => {
    const { ask } = await withFile()
    const found = await ask(queryFor(name, type), next)
    t.match(found, { rcode: 'NOERROR', authoritative: true, authorities: [] })
    t.strictSame(replyAsText(found)?.answers ?? [], answers)
  })
}

t.test(
  'a name in no line is SERVFAIL without fallthrough, for there is no SOA to deny it',
  async t => {
    const { ask } = await withFile()
    for (const name of [
      'no.example.org.',
      'a.b.wild.example.org.',
      'wild.example.org.',
      'nonsense.example.org.',
    ]) {
      await t.rejects(ask(queryFor(name), next), { code: 'ERR_DNS_UNANSWERED' })
    }
  },
)

t.test('goes on to the next plugin', async t => {
  const plain = await withFile()
  t.equal(await plain.ask(queryFor('a.example.net.'), next), passedOn, 'outside its zones')
  t.equal(await plain.ask(queryFor('9.9.9.9.in-addr.arpa.', 'PTR'), next), passedOn, 'PTR miss')
  const falling = await withFile('fallthrough sub.example.org')
  t.equal(await falling.ask(queryFor('x.sub.example.org.'), next), passedOn, 'fallthrough zone')
  await t.rejects(falling.ask(queryFor('x.example.org.'), next), { code: 'ERR_DNS_UNANSWERED' })
  const unsupported = await withFile('fallthrough_unsupported')
  t.equal(await unsupported.ask(queryFor('a.example.org.', 'MX'), next), passedOn)
  const silent = await withFile('no_reverse')
  t.equal(await silent.ask(queryFor('10.2.0.192.in-addr.arpa.', 'PTR'), next), passedOn)
})

t.test(
  'the file is read again when it changes; when it goes, the lines of the Corefile stay',
  async t => {
    const path = join(t.testdir(), 'hosts')
    await writeFile(path, '192.0.2.1 old.example.org\n')
    const { ask, plugin, context } = await testedPlugin(
      hosts,
      `hosts ${path} {\n10.0.0.1 inline.example.org\nttl 30\nreload 10ms\n}`,
    )
    t.teardown(() => plugin.stop?.())
    await plugin.start?.()
    t.equal(await metricValue(context, 'coredns_hosts_entries'), 2)
    t.match(await metricValue(context, 'coredns_hosts_reload_timestamp_seconds'), Number)
    await writeFile(path, '192.0.2.2 new.example.org\n192.0.2.3 new.example.org\n')
    await eventually('the new name', async () => {
      const found = await ask(queryFor('new.example.org.')).catch(() => undefined)
      return found?.answers.length === 2
    })
    await rm(path)
    await eventually('the name is gone', () =>
      ask(queryFor('new.example.org.')).then(
        () => false,
        () => true,
      ),
    )
    t.strictSame(replyAsText(await ask(queryFor('inline.example.org.'))), {
      rcode: 'NOERROR',
      answers: ['inline.example.org. 30 A 10.0.0.1'],
    })
  },
)

const refused: readonly [string, RegExp][] = [
  ['hosts f {\nttl 0\n}', /Corefile:3: hosts ttl: needs one number of seconds, 1 to 65535/],
  ['hosts f {\nreload often\n}', /hosts reload: needs one duration/],
  ['hosts f {\nno_reverse now\n}', /takes no argument/],
  ['hosts f {\n10.0.0.300 a.example.org\n}', /hosts 10\.0\.0\.300: unknown option, there are: ttl/],
  ['hosts f exa..mple', /is no zone/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, async t => {
    await t.rejects(testedPlugin(hosts, text), { message })
  })
}
