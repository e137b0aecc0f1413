import t from 'tap'
import { type Message, type ResourceRecord } from '../../../src/dns/message.ts'
import { secondaryPlugin } from '../../../src/dns/plugins/secondary/plugin.ts'
import { parseRecord } from '../../../src/dns/zonefile/record.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { queryFor } from '../../helper/dns.ts'
import { eventually } from '../../helper/eventually.ts'
import { type Asked, FakeUpstream, packetOf } from '../../helper/fake-upstream.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const soaOf = (serial: number) => parseRecord(`example.org. 5 SOA ns. h. ${serial} 3600 600 7200 5`)
const address = (data: string) => parseRecord(`www.example.org. 5 A ${data}`)

/** A primary whose zone can be changed: it sends the zone in two messages. */
async function primary(zone: {
  serial: number
  records: readonly ResourceRecord[]
  parts?: Partial<Message>
}) {
  return FakeUpstream.start(({ message, answer, send }: Asked) => {
    const soa = soaOf(zone.serial)
    if (message.question?.type === 'SOA') return answer({ answers: [soa] })
    send(packetOf(message, { answers: [soa, ...zone.records], ...zone.parts }))
    send(packetOf(message, { answers: [soa], ...zone.parts }))
  })
}

const notify = (from: string) =>
  queryFor('example.org.', 'SOA', {
    opcode: 'NOTIFY',
    client: { address: from as IpAddress, port: 5 },
  })

t.test('copies the zone, and again when the primary says that it changed', async t => {
  const zone = { serial: 0xffffffff, records: [address('192.0.2.1')] }
  await using upstream = await primary(zone)
  const { ask, plugin } = await testedPlugin(
    secondaryPlugin(),
    `secondary example.org {\ntransfer from 127.0.0.1:${upstream.port}\n}`,
  )
  t.teardown(() => plugin.stop?.())
  await t.rejects(ask(queryFor('www.example.org.')), { message: /has no data/ }, 'SERVFAIL before')
  await plugin.start?.()
  const current = async () =>
    (await ask(queryFor('www.example.org.')).catch(() => undefined))?.answers[0]?.data
  await eventually('the zone', async () => (await current()) === '192.0.2.1')
  // RFC 1982: 1 comes after 2^32 - 1.
  zone.serial = 1
  zone.records = [address('192.0.2.2')]
  t.match(await ask(notify('192.0.2.66')), { rcode: 'REFUSED' }, 'not from someone else')
  t.match(await ask(notify('127.0.0.1')), { rcode: 'NOERROR', authoritative: true })
  await eventually('the new version', async () => {
    await ask(notify('127.0.0.1'))
    return (await current()) === '192.0.2.2'
  })
  t.strictSame(plugin.transfers?.zones(), ['example.org.'])
})

t.test('what a primary sends that is no zone is not served', async t => {
  const bad = [
    { serial: 1, records: [parseRecord('www.example.net. 5 A 192.0.2.1')] },
    { serial: 1, records: [address('192.0.2.1')], parts: { rcode: 'REFUSED' } },
    { serial: 1, records: [address('192.0.2.1')], parts: { id: 1 } },
  ]
  for (const zone of bad) {
    await using upstream = await primary(zone)
    const { ask, plugin } = await testedPlugin(
      secondaryPlugin(),
      `secondary example.org {\ntransfer from 127.0.0.1:${upstream.port}\n}`,
    )
    await plugin.start?.()
    await eventually('the transfer', () =>
      upstream.asked.some(({ message }) => message.question?.type === 'AXFR'),
    )
    await t.rejects(ask(queryFor('www.example.org.')), { message: /has no data/ })
    await plugin.stop?.()
  }
})

const refused: readonly [string, RegExp][] = [
  ['secondary', /needs a line: transfer from ADDRESS/],
  [
    'secondary {\ntransfer from ns.example.org\n}',
    /Corefile:3: secondary transfer: 'ns\.example\.org' is no address/,
  ],
  ['secondary {\ntransfer to 1.2.3.4\n}', /is a plugin of its own/],
  ['secondary {\ntransfer from 1.2.3.4\ncatalog\n}', /catalog zones are not supported/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(secondaryPlugin(), text), { message }),
  )
}
