import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { acl } from '../../../src/dns/plugins/acl/plugin.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { query, question } from '../../helper/dns.ts'
import { metricValue, testedPlugin } from '../../helper/plugin.ts'

const passedOn = reply({ rcode: 'NOTIMP' })
const next = () => passedOn
const from = (address: string, parts: { name?: string; type?: string } = {}) =>
  query({ question: question(parts), client: { address: address as IpAddress, port: 1 } })

const text = `acl {
  allow net 192.0.2.7
  block type A AAAA net 192.0.2.0/24 2001:db8::/32
  filter type TXT
  drop net 203.0.113.0/24
}
acl sub.example.org {
  block
}`
const cases: readonly [string, ReturnType<typeof from>, 'pass' | 'block' | 'filter' | 'drop'][] = [
  ['an allowed address, though a later rule blocks it', from('192.0.2.7'), 'pass'],
  [
    'allow ends the judgement, also of later directives',
    from('192.0.2.7', { name: 'a.sub.example.org.' }),
    'pass',
  ],
  ['a blocked network', from('192.0.2.8'), 'block'],
  ['a blocked IPv6 network', from('2001:db8::1', { type: 'AAAA' }), 'block'],
  ['another type from there', from('192.0.2.8', { type: 'MX' }), 'pass'],
  ['a filtered type', from('198.51.100.1', { type: 'TXT' }), 'filter'],
  ['a dropped network', from('203.0.113.9'), 'drop'],
  ['whom no rule names', from('198.51.100.1'), 'pass'],
  ['a zone of the second directive', from('198.51.100.1', { name: 'A.SUB.example.org.' }), 'block'],
]
for (const [title, asked, want] of cases) {
  t.test(`${want}: ${title}`, async t => {
    const { ask } = await testedPlugin(acl, text)
    const found = await ask(asked, next)
    if (want === 'pass') t.equal(found, passedOn)
    if (want === 'drop') t.equal(found, undefined)
    // RFC 8914 section 4: 15 is Blocked, 17 is Filtered.
    const ede = (code: number) => [{ code: 15, data: Buffer.from([0, code]) }]
    if (want === 'block') t.match(found, { rcode: 'REFUSED', ednsOptions: ede(15) })
    if (want === 'filter') t.match(found, { rcode: 'NOERROR', answers: [], ednsOptions: ede(17) })
  })
}

t.test('counts what it does', async t => {
  const { ask, context } = await testedPlugin(acl, text)
  for (const address of ['192.0.2.8', '192.0.2.9', '198.51.100.1']) await ask(from(address), next)
  const at = { server: 'dns://:53', view: '' }
  t.equal(await metricValue(context, 'coredns_acl_blocked_requests_total', { ...at, zone: '.' }), 2)
  t.equal(await metricValue(context, 'coredns_acl_allowed_requests_total', at), 1)
})

const refused: readonly [string, RegExp][] = [
  ['acl', /has no rule/],
  ['acl {\ndeny\n}', /Corefile:3: acl deny: unknown action, there are: allow, block, filter, drop/],
  ['acl {\nblock net 192.0.2.0/33\n}', /is no address or network/],
  ['acl {\nblock type AAAAA\n}', /is no record type/],
  ['acl {\nblock A\n}', /stands before 'type' or 'net'/],
  ['acl {\nblock net\n}', /'net' names no network/],
]
for (const [config, message] of refused) {
  t.test(`refuses ${config.replaceAll('\n', ' ')}`, async t => {
    await t.rejects(testedPlugin(acl, config), { message })
  })
}
