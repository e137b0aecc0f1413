import fc from 'fast-check'
import t from 'tap'
import { type Reply, type ResourceRecord, reply } from '#dns/message.ts'
import { AnswerStore, type Entry } from '#dns/plugins/cache/answer-store.ts'
import { packReply, unpackReply } from '#dns/plugins/cache/packed-reply.ts'
import { a, denial, NAME, serveCached } from '../../../helper/cache.ts'
import { metricValue } from '../../../helper/plugin.ts'

const entryOf = (octets: number): Entry => ({
  kind: 'success',
  packed: 'x'.repeat(octets),
  isUsable: false,
  storedMs: 0,
  ttl: 60,
  hits: 0,
  lastHitMs: 0,
  wasUsed: false,
  retryAtMs: 0,
})

t.test('whatever is put in, neither entries nor octets exceed the limits', async () => {
  const put = fc.record({ key: fc.nat(200), octets: fc.nat(5000), used: fc.boolean() })
  fc.assert(
    fc.property(fc.array(put, { maxLength: 300 }), puts => {
      let evicted = 0
      const store = new AnswerStore({ capacity: 20, maxOctets: 30_000 }, () => evicted++)
      for (const { key, octets, used } of puts) {
        store.set(`${key}`, entryOf(octets))
        const entry = store.get(`${key}`)
        if (entry !== undefined) entry.wasUsed = used
        if (store.size > 20 || store.octets > 30_000) return false
      }
      for (let key = 0; key <= 200; key++) store.delete(`${key}`)
      return store.size === 0 && store.octets === 0 && evicted <= puts.length
    }),
  )
})

t.test('an answer larger than an eighth of the store is not kept', async t => {
  const store = new AnswerStore({ capacity: 20, maxOctets: 8000 }, () => undefined)
  store.set('small', entryOf(10))
  t.equal(store.set('large', entryOf(1000)), false)
  t.equal(store.size, 1)
  t.ok(store.get('small'))
})

t.test('a flood of random names drives out nothing that is asked for', async t => {
  const text = 'cache 3600\nsuccess 1024\ndenial 1024'
  for (const [fact, flood] of [
    ['answers', (name: string) => reply({ answers: [a(3600, name)] })],
    ['denials', () => denial('NXDOMAIN', 3600, 3600)],
  ] as const) {
    const { ask, asked, context } = await serveCached(t, text, ({ question: { name } }) =>
      name.startsWith('useful') ? reply({ answers: [a(3600, name)] }) : flood(name),
    )
    const useful = Array.from({ length: 200 }, (_, at) => `useful${at}.example.org.`)
    const askUseful = async () => {
      for (const name of useful) await ask({ name })
    }
    await askUseful()
    let floods = 0
    for (let round = 0; round < 10; round++) {
      await askUseful()
      for (let at = 0; at < 500; at++) await ask({ name: `r${floods++}.example.org.` })
    }
    t.equal(asked(), useful.length + floods, `${fact}: no useful name was asked for again`)
    for (const type of ['success', 'denial']) {
      t.ok(((await metricValue(context, 'coredns_cache_entries', { type })) ?? 0) <= 1024)
    }
  }
})

t.test('the octets of the cache are bounded by its capacity', async t => {
  const text = 'cache 3600\nsuccess 1024'
  const { ask, context } = await serveCached(t, text, ({ question: { name } }) =>
    reply({ answers: Array.from({ length: 100 }, () => a(3600, name)) }),
  )
  for (let at = 0; at < 1000; at++) await ask({ name: `r${at}.example.org.` })
  const octets = await metricValue(context, 'nodeplane_dns_cache_bytes', { type: 'success' })
  t.ok((octets ?? Number.POSITIVE_INFINITY) <= 1024 * 512, `${octets}`)
})

t.test('a reply is unpacked as it was packed', async t => {
  const odd: ResourceRecord = { ...a(60), type: 'TYPE65280', data: new Uint8Array([0, 255, 46]) }
  const text: ResourceRecord = { ...a(60), type: 'TXT', data: [new Uint8Array([0xc0, 0x00])] }
  const question = { name: 'WwW.ex\\.ample.org.', type: 'A', class: 'IN' }
  for (const given of [
    reply({ answers: [a(60), odd], additionals: [text], authoritative: true }),
    reply({ recursionDesired: true, recursionAvailable: true, authenticData: true }),
    reply({ recursionDesired: false }),
    { ...denial('NXDOMAIN'), ednsOptions: [] },
    reply({ rcode: 'SERVFAIL' }),
  ]) {
    const packed = packReply(question, given) ?? ''
    const { name, reply: got } = unpackReply(packed)
    t.equal(name, question.name)
    t.strictSame(JSON.stringify(got), JSON.stringify(reply(given)))
  }
})

t.test('what has no octets or too many is not packed', async t => {
  const question = { name: NAME, type: 'TXT', class: 'IN' }
  const long = { ...a(60), type: 'TXT', data: [new Uint8Array(255)] } as ResourceRecord
  const bad: Reply = reply({ answers: [a(60, 'a..b.')] })
  t.equal(packReply(question, bad), undefined)
  t.equal(packReply(question, reply({ answers: Array(300).fill(long) })), undefined)
})
