import t from 'tap'
import { type Query, reply } from '../../../src/dns/message.ts'
import { bufsize } from '../../../src/dns/plugins/bufsize/plugin.ts'
import { encodeReply } from '../../../src/dns/server/reply-message.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'
import { addressRecord, edns, query } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const cases: readonly [text: string, asked: number, want: number][] = [
  ['bufsize', 4096, 1232],
  ['bufsize 512', 4096, 512],
  ['bufsize 4096', 1232, 1232],
  ['bufsize 1232', 1232, 1232],
]
for (const [text, asked, want] of cases) {
  t.test(`${text}: ${asked} becomes ${want}, inwards and in the answer`, async t => {
    const seen: Query[] = []
    const asking = query({ edns: edns({ udpSize: asked }) })
    const { ask } = await testedPlugin(bufsize, text)
    const answers = Array.from({ length: 200 }, (_, n) => addressRecord(`10.0.0.${n}`))
    const found = await ask(asking, inner => {
      seen.push(inner)
      return reply({ answers })
    })
    t.equal(seen[0]?.edns?.udpSize, want)
    const packet = encodeReply(asking, found ?? reply())
    t.ok(packet.length <= want, 'the answer is cut to it')
    t.match(decodeMessage(packet), { message: { truncated: true, edns: { udpSize: want } } })
  })
}

t.test('a query without OPT stays without', async t => {
  const { ask } = await testedPlugin(bufsize, 'bufsize 600')
  await ask(query(), inner => {
    t.equal(inner.edns, undefined)
    return reply()
  })
})

for (const text of ['bufsize 511', 'bufsize 4097', 'bufsize many', 'bufsize 600 700']) {
  t.test(`refuses ${text}`, t =>
    t.rejects(testedPlugin(bufsize, text), { message: /one number of octets, 512 to 4096/ }),
  )
}
