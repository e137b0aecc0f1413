import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type Query, reply } from '../../../src/dns/message.ts'
import { endOfChain } from '../../../src/dns/plugin.ts'
import { file } from '../../../src/dns/plugins/file/plugin.ts'
import { addressRecord, queryFor } from '../../helper/dns.ts'
import { eventually } from '../../helper/eventually.ts'
import { replyAsText, testedPlugin } from '../../helper/plugin.ts'

const zoneText = (serial: number, address = '192.0.2.1') => `$TTL 300
@ SOA ns hostmaster ${serial} 1 2 3 60
@ NS ns
ns A ${address}
out CNAME a.example.net.
bad CNAME missing.example.net.
sub NS ns
`
const withZone = async (options = '', parts = {}) => {
  const directory = t.testdir({ db: zoneText(1) })
  return testedPlugin(file, `file db example.org {\n${options}\n}`, { directory, ...parts })
}
const passedOn = reply({ rcode: 'NOTIMP' })
const next = () => passedOn

t.test('answers with authority; referrals are without', async t => {
  const { ask } = await withZone()
  t.match(await ask(queryFor('ns.example.org.')), { authoritative: true, rcode: 'NOERROR' })
  t.match(await ask(queryFor('x.example.org.')), { authoritative: true, rcode: 'NXDOMAIN' })
  t.match(await ask(queryFor('x.sub.example.org.')), { authoritative: false, rcode: 'NOERROR' })
})

t.test('names outside its zones go on; when nothing stands behind they are REFUSED', async t => {
  const { ask } = await withZone()
  t.equal(await ask(queryFor('a.example.net.'), next), passedOn)
  t.match(await ask(queryFor('a.example.net.'), endOfChain), { rcode: 'REFUSED' })
})

t.test('fallthrough of names that do not exist, not of those without data', async t => {
  const { ask } = await withZone('fallthrough x.example.org')
  t.equal(await ask(queryFor('a.x.example.org.'), next), passedOn)
  t.match(await ask(queryFor('y.example.org.'), next), { rcode: 'NXDOMAIN' })
  t.match(await ask(queryFor('ns.example.org.', 'TXT'), next), { rcode: 'NOERROR', answers: [] })
})

t.test(
  'aliases of other zones are followed through the server, their rcode is the answer’s',
  async t => {
    const lookup = ({ question: { name } }: Query) =>
      name === 'a.example.net.'
        ? reply({ answers: [addressRecord('10.0.0.1', name)] })
        : reply({ rcode: 'NXDOMAIN' })
    const { ask } = await withZone('', { lookup })
    t.strictSame(replyAsText(await ask(queryFor('out.example.org.'))), {
      rcode: 'NOERROR',
      answers: ['out.example.org. 300 CNAME a.example.net.', 'a.example.net. 5 A 10.0.0.1'],
    })
    t.strictSame(replyAsText(await ask(queryFor('bad.example.org.'))), {
      rcode: 'NXDOMAIN',
      answers: ['bad.example.org. 300 CNAME missing.example.net.'],
    })
  },
)

t.test('AXFR is the work of transfer', async t => {
  const { ask } = await withZone()
  t.match(await ask(queryFor('example.org.', 'AXFR', { transport: 'tcp' })), { rcode: 'REFUSED' })
})

t.test(
  'a file with another serial is served; one that cannot be read leaves the former',
  async t => {
    const path = join(t.testdir(), 'db')
    await writeFile(path, zoneText(1))
    const { ask, plugin } = await testedPlugin(file, `file ${path} example.org {\nreload 10ms\n}`)
    t.teardown(() => plugin.stop?.())
    await plugin.start?.()
    const changed: string[] = []
    plugin.transfers?.onChange(zone => void changed.push(zone), new AbortController().signal)
    const address = async () => (await ask(queryFor('ns.example.org.')))?.answers[0]?.data
    await writeFile(path, 'nonsense')
    await writeFile(path, zoneText(1, '192.0.2.66'))
    await writeFile(path, zoneText(2, '192.0.2.2'))
    await eventually('the new version', async () => (await address()) === '192.0.2.2')
    t.strictSame(changed, ['example.org.'])
  },
)

t.test('a file that is missing is waited for, and is SERVFAIL so long', async t => {
  const { ask } = await testedPlugin(file, 'file missing example.org', { directory: t.testdir() })
  await t.rejects(ask(queryFor('a.example.org.')), { message: /has no data/ })
})

const refused: readonly [string, RegExp][] = [
  ['file', /needs a zone file/],
  ['file bad example.org', /Corefile:2: file: .*bad:1: no TTL/],
  ['file missing example.org {\nreload 0s\n}', /Corefile:2: file: ENOENT/],
  ['file db {\nreload x\n}', /file reload: needs one duration/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, async t => {
    const directory = t.testdir({ bad: 'a A 192.0.2.1', db: zoneText(1) })
    await t.rejects(testedPlugin(file, text, { directory }), { message })
  })
}
