import t from 'tap'
import { type Query, type Reply, type ResourceRecord, reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { forwardPlugin } from '#dns/plugins/forward/plugin.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive, edns, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { type Asked, FakeUpstream, packetOf } from '../../../helper/fake-upstream.ts'

const NAME = 'www.example.org.'
const a = (address: string): ResourceRecord => ({
  name: NAME,
  type: 'A',
  class: 'IN',
  ttl: 60,
  data: address as IpAddress,
})
const good = a('192.0.2.1')
const forged = a('203.0.113.66')

/** Sets the plugin up with these directives; random choices are the first of each. */
async function serve(...texts: readonly string[]) {
  const context = setupContext()
  const plugin = await forwardPlugin(undefined, () => 0).setup(texts.map(directive), context)
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(() => reply({ rcode: 'NEXT' })) as Handler
  const ask = (parts: Partial<Query> & { name?: string } = {}) =>
    Promise.resolve(handler(queryFor(parts.name ?? NAME, 'A', parts), patience())) as Promise<Reply>
  return { ask, plugin, handler, metrics: () => context.metrics.metrics() }
}

/** A port of loopback where nobody listens. */
async function closedAddress(): Promise<string> {
  await using upstream = await FakeUpstream.start(() => undefined)
  return upstream.address
}

t.test('the answer comes through as the server gave it', async t => {
  const opaque: ResourceRecord = {
    name: NAME,
    type: 'TYPE65280',
    class: 'IN',
    ttl: 7,
    data: Uint8Array.of(1, 2, 3),
  }
  const given = reply({
    rcode: 'NXDOMAIN',
    authoritative: true,
    recursionAvailable: true,
    authenticData: true,
    answers: [good],
    authorities: [opaque],
    additionals: [{ ...good, name: 'ns.example.org.' }],
  })
  await using upstream = await FakeUpstream.start(({ answer }) => answer(given))
  const { ask } = await serve(`forward . ${upstream.address}`)
  for (const transport of ['udp', 'tcp'] as const) {
    const got = await ask({ transport })
    t.match(got, { ...given, authorities: [{ name: NAME, type: 'TYPE65280', ttl: 7 }] }, transport)
    const [unknown] = got.authorities.map(({ data }) => data)
    t.strictSame(unknown instanceof Uint8Array && [...unknown], [1, 2, 3], 'unknown types too')
    t.equal(upstream.asked.at(-1)?.transport, transport, 'by the transport of the client')
  }
})

t.test(
  'the question goes out as the client gave it, under an ID and a port of its own',
  async t => {
    await using upstream = await FakeUpstream.start(({ answer }) => answer())
    const { ask } = await serve(`forward . ${upstream.address}`)
    const option = { code: 65001, data: Uint8Array.of(9) }
    await ask({
      name: 'WwW.example.org.',
      id: 4711,
      checkingDisabled: true,
      authenticData: true,
      recursionDesired: false,
      edns: edns({ udpSize: 1400, dnssecOk: true, options: [option] }),
    })
    t.match(upstream.asked[0]?.message, {
      question: { name: 'WwW.example.org.', type: 'A', class: 'IN' },
      checkingDisabled: true,
      authenticData: true,
      recursionDesired: false,
      edns: { udpSize: 1400, dnssecOk: true, options: [{ code: 65001 }] },
    })
    for (let count = 0; count < 20; count++) await ask()
    t.equal(upstream.asked.at(-1)?.message.edns, undefined, 'no EDNS where there was none')
    // Of 20 random ones a few may be equal, all of them cannot.
    t.ok(new Set(upstream.asked.map(({ message }) => message.id)).size > 10, 'IDs vary')
    t.ok(new Set(upstream.asked.map(({ from }) => from)).size > 10, 'ports vary')
  },
)

t.test('a forged answer is neither believed nor the end of the wait', async t => {
  const forgeries: readonly [fact: string, forge: (asked: Asked) => Uint8Array][] = [
    ['another ID', ({ message }) => packetOf(message, { id: message.id ^ 1, answers: [forged] })],
    ['no response', ({ message }) => packetOf(message, { isResponse: false, answers: [forged] })],
    ['garbage', () => Uint8Array.of(0xff)],
    ['garbage under another ID', ({ message }) => Uint8Array.of(~(message.id >> 8), 0, 1, 2, 3)],
  ]
  for (const [fact, forge] of forgeries) {
    await using upstream = await FakeUpstream.start(asked => {
      asked.send(forge(asked))
      asked.answer({ answers: [good] })
    })
    const { ask } = await serve(`forward . ${upstream.address}`)
    for (const transport of ['udp', 'tcp'] as const) {
      t.strictSame((await ask({ transport })).answers, [good], `${fact}, ${transport}`)
    }
  }
})

t.test('over a connection an answer to another question is FORMERR', async t => {
  await using upstream = await FakeUpstream.start(({ message, send }) =>
    send(
      packetOf(message, { question: { name: 'x.', type: 'A', class: 'IN' }, answers: [forged] }),
    ),
  )
  const { ask } = await serve(`forward . ${upstream.address}`)
  t.match(await ask({ transport: 'tcp' }), { rcode: 'FORMERR', answers: [] })
})

t.test('equal questions at the same time are asked once', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  const { ask } = await serve(`forward . ${upstream.address}`)
  const all = [ask(), ask(), ask(), ask({ checkingDisabled: true })]
  await eventually('both questions', () => asked.length === 2)
  for (const { answer } of asked) answer({ answers: [good] })
  for (const got of await Promise.all(all)) t.strictSame(got.answers, [good])
  t.equal(asked.length, 2, 'CD makes another question')
})

t.test('truncated answers', async t => {
  await using upstream = await FakeUpstream.start(({ transport, answer }) =>
    answer(transport === 'udp' ? { truncated: true } : { answers: [good] }),
  )
  const plain = await serve(`forward . ${upstream.address}`)
  t.match(await plain.ask(), { truncated: true, answers: [] }, 'go to the client')
  const udpFirst = await serve(`forward . ${upstream.address}\nprefer_udp`)
  for (const transport of ['udp', 'tcp'] as const) {
    t.match(await udpFirst.ask({ transport }), { truncated: false, answers: [good] }, 'prefer_udp')
    t.strictSame(
      upstream.asked.slice(-2).map(asked => asked.transport),
      ['udp', 'tcp'],
    )
  }
  const tcp = await serve(`forward . ${upstream.address}\nprefer_udp\nforce_tcp`)
  t.match(await tcp.ask(), { answers: [good] }, 'force_tcp wins')
  t.equal(upstream.asked.at(-2)?.transport, 'tcp')
})

t.test('a datagram larger than the client’s buffer is truncated', async t => {
  const many = Array.from({ length: 60 }, (_, host) => a(`192.0.2.${host}`))
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: many }))
  const { ask } = await serve(`forward . ${upstream.address}`)
  t.equal((await ask()).truncated, true, 'no EDNS: 512 octets')
  t.equal((await ask({ edns: edns({ udpSize: 4096 }) })).truncated, false)
  t.equal((await ask({ transport: 'tcp' })).truncated, false)
})

t.test('when a server fails the next one is asked', async t => {
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: [good] }))
  const closed = await closedAddress()
  const { ask } = await serve(`forward . ${closed} ${upstream.address}\npolicy sequential`)
  for (const transport of ['udp', 'tcp'] as const) {
    t.strictSame((await ask({ transport })).answers, [good], transport)
  }
})

t.test('when a server is silent the next one is asked', async t => {
  await using silent = await FakeUpstream.start(() => undefined)
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: [good] }))
  const { ask } = await serve(
    `forward . ${silent.address} ${upstream.address}\npolicy sequential\nread_timeout 50ms`,
  )
  t.strictSame((await ask()).answers, [good])
})

t.test('while a server is slow another one is asked too, and left alone later', async t => {
  await using silent = await FakeUpstream.start(() => undefined)
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: [good] }))
  const { ask } = await serve(`forward . ${silent.address} ${upstream.address}\npolicy sequential`)
  t.strictSame((await ask()).answers, [good], 'within the read timeout of 2 s')
  const asked = () => silent.asked.filter(({ message }) => message.question?.type === 'A').length
  t.equal(asked(), 1)
  await ask({ name: 'b.' })
  t.equal(asked(), 1, 'it is being probed: nobody waits for it')
})

t.test('when every try fails there is no answer', async t => {
  const { ask } = await serve(`forward . ${await closedAddress()}`)
  await t.rejects(ask(), { code: 'ERR_DNS_FORWARD' })
  await t.rejects(ask({ transport: 'tcp' }), { code: 'ERR_DNS_FORWARD' })
})

t.test('a server is probed only after it failed, and left out while it is down', async t => {
  let isUp = true
  await using flaky = await FakeUpstream.start(({ answer, message }) => {
    if (isUp || message.question?.type !== 'A') answer({ answers: isUp ? [good] : [] })
  })
  await using steady = await FakeUpstream.start(({ answer }) =>
    answer({ answers: [a('192.0.2.2')] }),
  )
  const { ask } = await serve(
    `forward . ${flaky.address} ${steady.address}\npolicy sequential\nread_timeout 50ms\nhealth_check 10ms domain probe.example`,
  )
  await ask()
  t.notOk(
    flaky.asked.some(({ message }) => message.question?.type === 'NS'),
    'no probe while it answers',
  )
  isUp = false
  await ask()
  const probe = await eventually('a probe', () =>
    flaky.asked.find(({ message }) => message.question?.type === 'NS'),
  )
  t.match(probe.message, { question: { name: 'probe.example.' }, recursionDesired: true })
})

t.test('when all servers are down one is tried all the same', async t => {
  const closed = await closedAddress()
  const { ask, metrics } = await serve(
    `forward example.com ${closed}\nmax_fails 1\nhealth_check 10ms\nfailfast_all_unhealthy_upstreams`,
    `forward . ${closed}\nmax_fails 1\nhealth_check 10ms`,
  )
  await t.rejects(ask())
  await t.rejects(ask({ name: 'example.com.' }))
  const failures = `coredns_proxy_healthcheck_failures_total{proxy_name="forward",to="${closed}"}`
  await eventually('two failed probes each', async () => {
    const [, count = '0'] = (await metrics()).split(failures)
    return Number(count.split('\n')[0]) >= 4
  })
  await t.rejects(ask(), { message: /ECONNREFUSED/ }, 'it is tried')
  await t.rejects(ask({ name: 'example.com.' }), { message: /all servers are down/ }, 'failfast')
  t.match(await metrics(), /coredns_forward_healthcheck_broken_total [1-9]/)
})

t.test('too many queries at a time are refused', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  const { ask, metrics } = await serve(`forward . ${upstream.address}\nmax_concurrent 2`)
  const first = [ask({ name: 'a.' }), ask({ name: 'b.' })]
  await eventually('two questions', () => asked.length === 2)
  t.match(await ask({ name: 'c.' }), { rcode: 'REFUSED' })
  for (const { answer } of asked) answer()
  await Promise.all(first)
  const later = ask({ name: 'c.' })
  await eventually('the third', () => asked.length === 3)
  asked[2]?.answer()
  t.match(await later, { rcode: 'NOERROR' })
  t.match(await metrics(), /coredns_forward_max_concurrent_rejects_total 1\n/)
})

t.test('TCP connections are used again', async t => {
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: [good] }))
  const { ask, metrics } = await serve(`forward . ${upstream.address}\nforce_tcp`)
  for (let count = 0; count < 5; count++) await ask()
  t.equal(upstream.connections, 1)
  await Promise.all(['a.', 'b.', 'c.'].map(name => ask({ name })))
  t.equal(upstream.connections, 3, 'one exchange at a time on each')
  upstream.closeConnections()
  t.strictSame((await ask()).answers, [good], 'a connection the server closed is replaced')
  const labels = `{proxy_name="forward",to="${upstream.address}",proto="tcp"}`
  t.match(await metrics(), `coredns_proxy_conn_cache_misses_total${labels} 4\n`)
})

t.test('idle connections end after expire, and are no more than max_idle_conns', async t => {
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: [good] }))
  const short = await serve(`forward . ${upstream.address}\nforce_tcp\nexpire 20ms`)
  await short.ask()
  await eventually('the end of the idle connection', () => upstream.connections === 0)
  const few = await serve(`forward . ${upstream.address}\nforce_tcp\nmax_idle_conns 1`)
  await Promise.all(['a.', 'b.', 'c.'].map(name => few.ask({ name })))
  await eventually('one connection left', () => upstream.connections === 1)
  t.pass()
})

t.test('names go to the first directive they match, except those excluded', async t => {
  await using one = await FakeUpstream.start(({ answer }) => answer({ answers: [a('192.0.2.1')] }))
  await using two = await FakeUpstream.start(({ answer }) => answer({ answers: [a('192.0.2.2')] }))
  const { ask } = await serve(
    `forward example.org ${one.address}\nexcept x.example.org`,
    `forward org ${two.address}`,
  )
  for (const [name, first] of [
    ['WWW.Example.org.', '192.0.2.1'],
    ['example.org.', '192.0.2.1'],
    ['a.x.example.org.', '192.0.2.2'],
    ['notexample.org.', '192.0.2.2'],
    ['example.com.', undefined],
  ] as const) {
    const got = await ask({ name })
    t.equal(got.answers[0]?.data, first, name)
    t.equal(got.rcode, first === undefined ? 'NEXT' : 'NOERROR', name)
  }
})

t.test('failover asks the next server, next and next_on_nodata the next directive', async t => {
  await using refusing = await FakeUpstream.start(({ answer }) => answer({ rcode: 'REFUSED' }))
  await using empty = await FakeUpstream.start(({ answer }) => answer())
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ answers: [good] }))
  for (const [fact, texts, rcode, answers] of [
    [
      'failover',
      [`forward . ${refusing.address} ${upstream.address}\npolicy sequential\nfailover REFUSED`],
      'NOERROR',
      1,
    ],
    ['the last answer', [`forward . ${refusing.address}\nfailover REFUSED`], 'REFUSED', 0],
    [
      'no failover',
      [`forward . ${refusing.address} ${upstream.address}\npolicy sequential`],
      'REFUSED',
      0,
    ],
    [
      'next',
      [`forward . ${refusing.address}\nnext REFUSED`, `forward . ${upstream.address}`],
      'NOERROR',
      1,
    ],
    ['nobody next', [`forward . ${refusing.address}\nnext REFUSED`], 'REFUSED', 0],
    [
      'no data',
      [`forward . ${empty.address}\nnext_on_nodata`, `forward . ${upstream.address}`],
      'NOERROR',
      1,
    ],
    [
      'no data, kept',
      [`forward . ${empty.address}`, `forward . ${upstream.address}`],
      'NOERROR',
      0,
    ],
  ] as const) {
    const got = await (await serve(...texts)).ask()
    t.equal(got.rcode, rcode, fact)
    t.equal(got.answers.length, answers, fact)
  }
})

t.test('a client that gives up waits no longer; the others do', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  const { ask, handler } = await serve(`forward . ${upstream.address}`)
  const giveUp = new AbortController()
  const impatient = Promise.resolve(handler(queryFor(NAME), giveUp.signal))
  const patient = ask()
  await eventually('the question', () => asked.length === 1)
  giveUp.abort(new Error('gave up'))
  await t.rejects(impatient, { message: 'gave up' })
  asked[0]?.answer({ answers: [good] })
  t.strictSame((await patient).answers, [good])
})

t.test('stopping ends what is under way', async t => {
  await using upstream = await FakeUpstream.start(() => undefined)
  const { ask, plugin } = await serve(`forward . ${upstream.address}`)
  const waiting = ask()
  await eventually('the question', () => upstream.asked.length === 1)
  await plugin.stop?.()
  await t.rejects(waiting)
})

t.test('how long a server took is measured by rcode', async t => {
  await using upstream = await FakeUpstream.start(({ answer }) => answer({ rcode: 'NXDOMAIN' }))
  const { ask, metrics } = await serve(`forward . ${upstream.address}`)
  await ask()
  const labels = `{proxy_name="forward",to="${upstream.address}",rcode="NXDOMAIN"}`
  t.match(await metrics(), `coredns_proxy_request_duration_seconds_count${labels} 1\n`)
})
