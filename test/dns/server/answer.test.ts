import t from 'tap'
import { type Message, reply } from '../../../src/dns/message.ts'
import type { Exchange, Handler, Plugin } from '../../../src/dns/plugin.ts'
import { chain } from '../../../src/dns/plugin.ts'
import { type Answering, answerPacket, type ServingBlock } from '../../../src/dns/server/answer.ts'
import { InFlight } from '../../../src/dns/server/in-flight.ts'
import type { PacketOrigin } from '../../../src/dns/server/listener.ts'
import { routeQuery } from '../../../src/dns/server/router.ts'
import { Unanswered } from '../../../src/dns/unanswered.ts'
import { decodeMessage } from '../../../src/dns/wire/decode.ts'
import { encodeMessage } from '../../../src/dns/wire/encode.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { addressRecord, message, question } from '../../helper/dns.ts'

const endpoint = (address: string, port: number) => ({ address: address as IpAddress, port })
const origin = {
  transport: 'udp',
  client: endpoint('192.0.2.1', 4000),
  server: endpoint('192.0.2.53', 53),
} as const

/** A server of one block for example.org that is answered by `handler`, and what it told. */
function server(handler: Handler, parts: Partial<Answering> = {}) {
  const crashes: unknown[] = []
  const dropped: Exchange[] = []
  const observed: Exchange[] = []
  const plugins: Plugin[] = [
    { name: 'observer', observe: exchange => void observed.push(exchange) },
    { name: 'inner', wrap: () => handler },
  ]
  const block: ServingBlock = {
    view: '',
    plugins,
    handler: chain(plugins, handler),
    fastPath: false,
  }
  const zones = new Map([['example.org.', [block]]])
  const answering: Answering = {
    server: 'dns://:53',
    takesAnyClass: false,
    route: query => routeQuery(zones, query.question),
    inFlight: new InFlight(100),
    onDropped: exchange => void dropped.push(exchange),
    onCrash: error => void crashes.push(error),
    ...parts,
  }
  const ask = async (
    asked: Partial<Message> = {},
    from: PacketOrigin = origin,
  ): Promise<Message | undefined> => {
    const packet = await answerPacket(encodeMessage(message(asked)), from, answering)
    if (packet === undefined) return undefined
    const decoded = decodeMessage(packet)
    if (decoded.kind === 'malformed') throw new Error(decoded.reason)
    return decoded.message
  }
  return { ask, crashes, dropped, observed }
}

const answering: Handler = () =>
  reply({ authoritative: true, answers: [addressRecord('10.0.0.1')] })
const throwing =
  (error: unknown): Handler =>
  () => {
    throw error
  }

t.test('the answer of the block is sent and told', async t => {
  const { ask, observed } = server(answering)
  t.match(await ask(), {
    rcode: 'NOERROR',
    authoritative: true,
    answers: [addressRecord('10.0.0.1')],
  })
  t.match(observed, [
    {
      server: 'dns://:53',
      zone: 'example.org.',
      plugin: 'inner',
      rcode: 'NOERROR',
      requestOctets: 29,
      replyOctets: 56,
    },
  ])
})

t.test('a name in no zone is refused without AA and told as dropped', async t => {
  const { ask, dropped, observed } = server(answering)
  const asked = question({ name: 'example.net.' })
  t.match(await ask({ question: asked }), {
    rcode: 'REFUSED',
    authoritative: false,
    question: asked,
    answers: [],
  })
  t.match(dropped, [{ zone: 'dropped', rcode: 'REFUSED' }])
  t.strictSame(observed, [])
})

t.test('another class than IN is refused, unless the listener takes any', async t => {
  const asked = { question: question({ class: 'CH', type: 'TXT' }) }
  t.match(await server(answering).ask(asked), { rcode: 'REFUSED' })
  t.match(await server(() => reply(), { takesAnyClass: true }).ask(asked), { rcode: 'NOERROR' })
})

t.test('a transport that has its own word for what is no query is told', async t => {
  const { ask, observed } = server(answering)
  let refused = 0
  const from = { ...origin, onRefused: () => refused++ }
  t.equal(await ask({ opcode: 'UPDATE' }, from), undefined)
  t.equal(await ask({ isResponse: true }, from), undefined)
  t.equal(await ask({ question: undefined }, from), undefined)
  t.equal(refused, 3)
  t.match(await ask({}, from), { rcode: 'NOERROR' })
  t.equal(refused, 3)
  t.equal(observed.length, 1)
})

t.test('a zone is not copied where an answer is one message', async t => {
  const answers = [addressRecord('10.0.0.1')]
  const { ask } = server(() => reply({ answers, following: [answers] }))
  const stream = { ...origin, transport: 'tcp' } as const
  t.match(await ask({}, stream), { rcode: 'REFUSED', answers: [] })
  const sent: Uint8Array[] = []
  const send = async (packet: Uint8Array) => void sent.push(packet)
  t.match(await ask({}, { ...stream, send }), { rcode: 'NOERROR', answers })
  t.equal(sent.length, 1)
})

t.test('EDNS version 1 is BADVERS, version 0, and asks no plugin', async t => {
  const { ask, observed } = server(answering)
  const edns = { version: 1, udpSize: 1232, dnssecOk: true, options: [] }
  t.match(await ask({ edns }), {
    rcode: 'BADVERS',
    authoritative: false,
    edns: { version: 0, udpSize: 1232 },
    answers: [],
  })
  t.strictSame(observed, [])
})

const failures: readonly { title: string; error: unknown; rcode: string; isCrash: boolean }[] = [
  {
    title: 'a refusal',
    error: new Unanswered('REFUSED', 'too many'),
    rcode: 'REFUSED',
    isCrash: false,
  },
  {
    title: 'an upstream that is closed',
    error: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
    rcode: 'SERVFAIL',
    isCrash: false,
  },
  {
    title: 'a query given up',
    error: AbortSignal.abort().reason,
    rcode: 'SERVFAIL',
    isCrash: false,
  },
  {
    title: 'a fault of the program',
    error: new TypeError('x is not a function'),
    rcode: 'SERVFAIL',
    isCrash: true,
  },
]
for (const { title, error, rcode, isCrash } of failures) {
  t.test(`${title} makes a bare ${rcode}${isCrash ? ' and is told' : ''}`, async t => {
    const { ask, crashes } = server(throwing(error))
    t.match(await ask(), { rcode, authoritative: false, question: question(), answers: [] })
    t.strictSame(crashes, isCrash ? [error] : [])
  })
}

t.test('a reply that has no octets makes SERVFAIL and is told', async t => {
  const { ask, crashes } = server(() => reply({ answers: [addressRecord('10.0.0.1', 'a..b.')] }))
  t.match(await ask(), { rcode: 'SERVFAIL', answers: [] })
  t.match(crashes, [{ code: 'ERR_DNS_WIRE' }])
})

t.test('nothing is sent where a plugin says so', async t => {
  const { ask, observed } = server(() => undefined)
  t.equal(await ask(), undefined)
  t.match(observed, [{ reply: undefined, replyOctets: 0 }])
})

t.test('the oldest query is given up when too many wait', async t => {
  const waiting: Handler = (_, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const inFlight = new InFlight(1)
  const { ask } = server(waiting, { inFlight })
  const first = ask()
  const second = ask()
  t.match(await first, { rcode: 'SERVFAIL' })
  await inFlight.drain(0)
  t.match(await second, { rcode: 'SERVFAIL' })
  t.equal(inFlight.size, 0)
})

t.test('draining waits for the queries that are being answered', async t => {
  const inFlight = new InFlight(10)
  const { promise, resolve } = Promise.withResolvers<void>()
  const { ask } = server(async () => (await promise, reply()), { inFlight })
  const asked = ask()
  const drained = inFlight.drain(60_000)
  resolve()
  t.match(await asked, { rcode: 'NOERROR' })
  await drained
})
