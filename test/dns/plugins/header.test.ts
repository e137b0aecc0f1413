import t from 'tap'
import { type Query, reply } from '../../../src/dns/message.ts'
import { header } from '../../../src/dns/plugins/header/plugin.ts'
import { encodeReply } from '../../../src/dns/server/reply-message.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'
import { query } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

t.test('sets and clears flags of answers, the last line wins', async t => {
  const { ask } = await testedPlugin(header, 'header {\nset aa ra\nresponse clear aa\nclear rd\n}')
  const found = await ask(query(), () => reply({ authoritative: true }))
  t.match(found, { authoritative: false, recursionAvailable: true })
  const decoded = decodeMessage(encodeReply(query(), found ?? reply()))
  t.match(decoded, { message: { recursionDesired: false, recursionAvailable: true } })
})

t.test('sets and clears RD of queries', async t => {
  const seen: Query[] = []
  const { ask } = await testedPlugin(header, 'header {\nquery clear rd\n}')
  await ask(query(), asked => {
    seen.push(asked)
    return reply()
  })
  t.match(seen, [{ recursionDesired: false }])
})

const refused: readonly [string, RegExp][] = [
  ['header', /changes nothing/],
  ['header {\nset xx\n}', /Corefile:3: header set: 'xx' is none of aa, ra, rd/],
  ['header {\ntoggle aa\n}', /'toggle' is neither set nor clear/],
  ['header {\nset\n}', /names no flag/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, async t => {
    await t.rejects(testedPlugin(header, text), { message })
  })
}
