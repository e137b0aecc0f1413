import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { type ResourceRecord, reply } from '../../../src/dns/message.ts'
import type { BlockView, TransferSource } from '../../../src/dns/plugin.ts'
import { batchesOf } from '../../../src/dns/plugins/transfer/batches.ts'
import { transfer } from '../../../src/dns/plugins/transfer/plugin.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'
import { encodeMessage } from '../../../src/dns/wire/encode.ts'
import { parseRecord } from '../../../src/dns/zonefile/record.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { addressRecord, queryFor } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'
import { recordsAsText } from '../../helper/records-as-text.ts'

const soa = parseRecord('example.org. 5 SOA ns. h. 7 1 2 3 4')
const record = addressRecord('192.0.2.1', 'a.example.org.')

/** A block with a plugin that has example.org, and what tells that it changed. */
function sourceOf() {
  const listeners: ((zone: string) => void)[] = []
  const source: TransferSource = {
    zones: () => ['example.org.'],
    zone: zone => (zone === 'example.org.' ? { soa, records: [record] } : undefined),
    onChange: listener => void listeners.push(listener),
  }
  return { source, changed: () => listeners.forEach(tell => tell('example.org.')) }
}

const zones = ['example.org.']
const withSource = (options: string, source = sourceOf().source) => {
  const blocks: readonly BlockView[] = [{ zones, plugins: [{ name: 'file', transfers: source }] }]
  return testedPlugin(transfer, `transfer {\n${options}\n}`, { zones, blocks: () => blocks })
}

const tcp = { transport: 'tcp', client: { address: '192.0.2.8' as IpAddress, port: 9 } } as const
const axfr = (parts = {}) => queryFor('Example.org.', 'AXFR', { ...tcp, ...parts })

t.test('the whole zone stands between two SOA records', async t => {
  const { ask } = await withSource('to 192.0.2.8')
  const found = await ask(axfr())
  t.match(found, { rcode: 'NOERROR', authoritative: true })
  const answers = [...(found?.answers ?? []), ...[...(found?.following ?? [])].flat()]
  t.strictSame(answers, [soa, record, soa])
})

const refusals: readonly [title: string, options: string, parts: object][] = [
  ['over UDP', 'to *', { transport: 'udp' }],
  ['someone who is not listed', 'to 192.0.2.9 10.0.0.0/8', {}],
]
for (const [title, options, parts] of refusals) {
  t.test(`REFUSED: ${title}`, async t => {
    const { ask } = await withSource(options)
    t.match(await ask(axfr(parts)), { rcode: 'REFUSED' })
  })
}

t.test('networks and everyone; other questions and zones go on', async t => {
  for (const options of ['to 192.0.2.0/24', 'to *']) {
    const { ask } = await withSource(options)
    t.match(await ask(axfr()), { rcode: 'NOERROR' })
  }
  const { ask } = await withSource('to *')
  const passedOn = reply()
  t.equal(await ask(queryFor('example.org.', 'A'), () => passedOn), passedOn)
  t.equal(await ask(queryFor('example.net.', 'AXFR', tcp), () => passedOn), passedOn)
  t.match(
    await ask(queryFor('sub.example.org.', 'AXFR', tcp)),
    { rcode: 'REFUSED' },
    'no such zone',
  )
})

// RFC 1982: serials are compared modulo 2^32.
for (const [serial, isWhole] of [
  [7, false],
  [8, false],
  [6, true],
  [0xffffffff, true],
] as const) {
  t.test(
    `IXFR from serial ${serial}: ${isWhole ? 'the whole zone' : 'one SOA record'}`,
    async t => {
      const { ask } = await withSource('to *')
      const found = await ask(queryFor('example.org.', 'IXFR', { ...tcp, ixfrSerial: serial }))
      t.strictSame(found?.answers, [soa])
      t.equal(found?.following !== undefined, isWhole)
    },
  )
}

t.test('no more than eight transfers at one time', async t => {
  const { ask } = await withSource('to *')
  const open: Iterator<readonly ResourceRecord[]>[] = []
  for (let n = 0; n < 8; n++) {
    const iterator = (await ask(axfr()))?.following?.[Symbol.iterator]()
    iterator?.next()
    if (iterator !== undefined) open.push(iterator)
  }
  t.match(await ask(axfr()), { rcode: 'REFUSED' })
  open[0]?.return?.()
  t.match(await ask(axfr()), { rcode: 'NOERROR' })
})

t.test('messages of a transfer fit, and no record is lost', async t => {
  const large = Array.from(
    { length: 300 },
    (_, n): ResourceRecord => ({
      name: `n${n}.example.org.`,
      type: 'TXT',
      class: 'IN',
      ttl: 5,
      data: [Buffer.alloc(255, 97), Buffer.alloc(200, 98)],
    }),
  )
  const batches = [...batchesOf(large)]
  t.strictSame(recordsAsText(batches.flat()), recordsAsText(large))
  for (const answers of batches) {
    const message = {
      ...reply({ answers }),
      id: 1,
      opcode: 'QUERY',
      isResponse: true,
      recursionDesired: false,
      checkingDisabled: false,
      question: undefined,
      edns: undefined,
    }
    t.ok(encodeMessage(message).length <= 16_100)
  }
})

t.test('the listed servers are told of changes', async t => {
  await using socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { source } = sourceOf()
  const { plugin } = await withSource(
    `to 127.0.0.1:${socket.address().port}\nsource 127.0.0.1`,
    source,
  )
  t.teardown(() => plugin.stop?.())
  await plugin.start?.()
  const [packet, from] = (await once(socket, 'message')) as [Buffer, { port: number }]
  const decoded = decodeMessage(packet)
  t.match(decoded, {
    message: {
      opcode: 'NOTIFY',
      authoritative: true,
      question: { name: 'example.org.', type: 'SOA' },
      answers: [soa],
    },
  })
  socket.send(
    Buffer.concat([packet.subarray(0, 2), Buffer.from([0xa4, 0]), packet.subarray(4)]),
    from.port,
  )
})

const refused: readonly [string, RegExp][] = [
  ['transfer', /needs a line 'to ADDRESS/],
  ['transfer {\nto\n}', /names nobody/],
  ['transfer {\nto example.org\n}', /Corefile:3: transfer to: 'example\.org' is no address/],
  ['transfer {\nto *\nsource eth0\n}', /needs one IP address/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(transfer, text), { message }),
  )
}
