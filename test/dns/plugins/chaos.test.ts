import { hostname } from 'node:os'
import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { chaos } from '../../../src/dns/plugins/chaos/plugin.ts'
import { version } from '../../../src/runtime/version.ts'
import { query, question } from '../../helper/dns.ts'
import { replyAsText, testedPlugin } from '../../helper/plugin.ts'

const asked = (name: string) => query({ question: question({ name, type: 'TXT', class: 'CH' }) })

const cases: readonly [text: string, name: string, want: readonly string[]][] = [
  ['chaos', 'version.bind.', [`nodeplane-${version}`]],
  ['chaos v1', 'Version.Server.', ['v1']],
  ['chaos v1', 'hostname.bind.', [hostname()]],
  ['chaos v1', 'id.server.', [hostname()]],
  ['chaos v1 us them', 'authors.bind.', ['us', 'them']],
]
for (const [text, name, want] of cases) {
  t.test(`${text}: ${name}`, async t => {
    const { ask } = await testedPlugin(chaos, text)
    const answers = want.map(word => `${name} 0 TXT "${word}"`)
    t.strictSame(replyAsText(await ask(asked(name))), { rcode: 'NOERROR', answers })
  })
}

t.test('other names and class IN go on', async t => {
  const { ask } = await testedPlugin(chaos, 'chaos')
  const passedOn = reply()
  for (const other of [
    asked('x.bind.'),
    asked('authors.bind.'),
    query({ question: question({ name: 'version.bind.', type: 'TXT' }) }),
  ]) {
    t.equal(await ask(other, () => passedOn), passedOn)
  }
})
