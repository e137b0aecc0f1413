import t from 'tap'
import { Era, isOfNow, madeNow } from '#dns/era.ts'
import { type Query, type Reply, reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { Watches } from '#dns/watches.ts'
import { a, denial, NAME, serveCached } from '../../../helper/cache.ts'
import { directive, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { metricValue } from '../../../helper/plugin.ts'

t.test('equal questions at the same time are asked once', async t => {
  const late = Promise.withResolvers<Reply>()
  const { ask, asked } = await serveCached(t, 'cache', () => late.promise)
  const all = [ask(), ask({ name: NAME.toUpperCase() }), ask({ transport: 'tcp' })]
  const other = ask({ type: 'AAAA' })
  late.resolve(reply({ answers: [a(60)] }))
  const [, upper, tcp] = await Promise.all(all)
  await other
  t.match(upper?.answers, [{ name: NAME.toUpperCase(), ttl: 60 }])
  t.match(tcp?.answers, [{ ttl: 60 }])
  t.equal(asked(), 2, 'and the other type')
})

t.test('what cannot be kept is asked for by each', async t => {
  const cut = { ...reply({ answers: [a(60)] }), truncated: true }
  const { ask, asked } = await serveCached(t, 'cache', ({ transport }) =>
    Promise.resolve(transport === 'udp' ? cut : reply({ answers: [a(60)] })),
  )
  const [udp, tcp] = await Promise.all([ask(), ask({ transport: 'tcp' })])
  t.match([udp, tcp], [{ truncated: true }, { truncated: false }])
  t.equal(asked(), 2)
})

t.test('one who is given up takes nobody with him', async t => {
  const upstream = async (_: Query, signal: AbortSignal) => {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      setImmediate(resolve)
    })
    return reply({ answers: [a(60)] })
  }
  const plugin = await cachePlugin().setup([directive('cache')], setupContext())
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(upstream) as Handler
  const first = new AbortController()
  const given = handler(queryFor(NAME, 'A'), first.signal)
  const waiting = handler(queryFor(NAME, 'A'), patience())
  first.abort()
  await t.rejects(Promise.resolve(given))
  t.match(await waiting, { answers: [{ ttl: 60 }] })
})

/** A cache before a zone of one name, which changes. */
async function serveZone(text: string) {
  const zone = new Watches()
  let now: Reply = reply({ answers: [a(60)] })
  let asked = 0
  const context = setupContext()
  const plugin = await cachePlugin().setup([directive(text)], context)
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(() => {
    asked++
    const remember = {
      again: () => now,
      forMs: Number.POSITIVE_INFINITY,
      ttlLeftMs: undefined,
      rotates: false,
      untilChange: (forget: () => void) => zone.watch(['it'], forget),
    }
    return { ...now, remember }
  }) as Handler
  return {
    context,
    asked: () => asked,
    ask: async () => handler(queryFor(NAME, 'A'), patience()),
    change: (to: Reply) => {
      now = to
      zone.touch('it')
    },
  }
}

t.test('an answer of a zone that changed is dropped at once', async t => {
  const { ask, change, asked, context } = await serveZone('cache\nserve_stale')
  await ask()
  await ask()
  t.equal(asked(), 1, 'kept')
  change(denial('NXDOMAIN'))
  t.equal(await metricValue(context, 'coredns_cache_entries', { type: 'success' }), 0)
  t.match(await ask(), { rcode: 'NXDOMAIN' }, 'not served stale')
  change(reply({ answers: [a(60)] }))
  t.match(await ask(), { rcode: 'NOERROR' }, 'from NXDOMAIN too')
  t.equal(asked(), 3)
})

t.test('what was made from a dropped answer is forgotten with it', async t => {
  const { ask, change } = await serveZone('cache')
  await ask()
  const hit = await ask()
  let forgotten = 0
  const end = hit?.remember?.untilChange?.(() => forgotten++)
  const endOther = hit?.remember?.untilChange?.(() => t.fail('this one ended'))
  endOther?.()
  t.ok(end)
  change(denial('NXDOMAIN'))
  t.equal(forgotten, 1)
})

t.test('an answer is given, and given on, until the era that it was made in ends', async t => {
  const era = new Era()
  let now: Reply = denial('NXDOMAIN')
  let asked = 0
  const plugin = await cachePlugin().setup([directive('cache\nserve_stale')], setupContext())
  const handler = plugin.wrap?.(() => {
    asked++
    const life = { forMs: Number.POSITIVE_INFINITY, ttlLeftMs: undefined, rotates: false }
    const remember = { ...life, again: () => now, madeIn: madeNow(era) }
    return { ...now, remember }
  }) as Handler
  const ask = async () => handler(queryFor(NAME, 'A'), patience())
  await ask()
  const hit = await ask()
  t.equal(asked, 1, 'kept')
  t.ok(hit?.remember?.madeIn && isOfNow(hit.remember.madeIn))
  now = reply({ answers: [a(60)] })
  era.next()
  t.notOk(hit?.remember?.madeIn && isOfNow(hit.remember.madeIn))
  t.match(await ask(), { rcode: 'NOERROR' }, 'nor served stale')
  t.equal(asked, 2)
})

t.test('an answer whose era ended on the way is not kept', async t => {
  const era = new Era()
  let asked = 0
  const plugin = await cachePlugin().setup([directive('cache')], setupContext())
  const handler = plugin.wrap?.(() => {
    asked++
    const life = { forMs: Number.POSITIVE_INFINITY, ttlLeftMs: undefined, rotates: false }
    const remember = { ...life, again: () => denial('NXDOMAIN'), madeIn: madeNow(era) }
    era.next()
    return { ...denial('NXDOMAIN'), remember }
  }) as Handler
  await handler(queryFor(NAME, 'A'), patience())
  await handler(queryFor(NAME, 'A'), patience())
  t.equal(asked, 2)
})
