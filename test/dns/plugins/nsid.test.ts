import { hostname } from 'node:os'
import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { nsid } from '../../../src/dns/plugins/nsid/plugin.ts'
import { edns, query } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const asking = query({ edns: edns({ options: [{ code: 3, data: new Uint8Array() }] }) })

for (const [text, want] of [
  ['nsid', hostname()],
  ['nsid node one', 'node one'],
] as const) {
  t.test(`${text}: those who ask are told '${want}'`, async t => {
    const { ask } = await testedPlugin(nsid, text)
    const found = await ask(asking, () => reply())
    t.strictSame(found?.ednsOptions, [{ code: 3, data: new TextEncoder().encode(want) }])
    t.strictSame((await ask(query({ edns: edns() }), () => reply()))?.ednsOptions, [])
  })
}
