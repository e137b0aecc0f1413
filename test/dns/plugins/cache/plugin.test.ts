import fc from 'fast-check'
import t from 'tap'
import { type Reply, reply } from '#dns/message.ts'
import { a, denial, serveCached, ttlOf } from '../../../helper/cache.ts'
import { edns } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'

t.test('an answer is kept for its smallest TTL and counts it down', async t => {
  const both = reply({ answers: [a(100), a(60)], additionals: [a(90, 'x.')] })
  const { ask, clock, asked } = await serveCached(t, 'cache', () => both)
  const first = await ask()
  t.match(first, {
    authoritative: false,
    answers: [{ ttl: 60 }, { ttl: 60 }],
    additionals: [{ ttl: 60 }],
  })
  clock.advance(10_500)
  t.match(await ask(), { authoritative: true, answers: [{ ttl: 50 }, { ttl: 50 }] }, 'a hit has AA')
  clock.advance(49_400)
  t.equal(ttlOf(await ask()), 1)
  t.equal(asked(), 1)
  clock.advance(100)
  t.equal(ttlOf(await ask()), 60)
  t.equal(asked(), 2, 'its end')
})

t.test('how long an answer is kept', async t => {
  for (const [fact, options, upstream, ttl] of [
    ['not above the cap', 'cache 30', reply({ answers: [a(100)] }), 30],
    ['the default cap', 'cache', reply({ answers: [a(7200)] }), 3600],
    ['not below 5 s', 'cache', reply({ answers: [a(0)] }), 5],
    ['unless the minimum is lower', 'cache\nsuccess 1024 60 2', reply({ answers: [a(0)] }), 2],
    ['a cap below 5 s wins', 'cache 3', reply({ answers: [a(100)] }), 3],
    ['no such name', 'cache', denial('NXDOMAIN', 60, 60), 60],
    ['the SOA’s minimum bounds a denial', 'cache', denial('NXDOMAIN', 600, 20), 20],
    ['the default cap of denials', 'cache', denial('NXDOMAIN', 7200, 7200), 1800],
    ['no data', 'cache\ndenial 1024 10', denial('NOERROR'), 10],
    [
      'the cap of denials is none of answers',
      'cache\ndenial 1024 10',
      reply({ answers: [a(60)] }),
      60,
    ],
  ] as const) {
    const { ask, clock, asked } = await serveCached(t, options, () => upstream)
    t.equal(ttlOf(await ask()), ttl, fact)
    clock.advance(ttl * 1000 - 1)
    await ask()
    t.equal(asked(), 1, `${fact}: kept`)
    clock.advance(1)
    await ask()
    t.equal(asked(), 2, `${fact}: to its end`)
  }
})

t.test('answers that say nothing lasting are not kept', async t => {
  const kept = reply({ answers: [a(60)] })
  for (const [fact, options, upstream, parts] of [
    ['truncated', 'cache', { ...kept, truncated: true }, {}],
    ['a denial without SOA', 'cache', reply({ rcode: 'NXDOMAIN' }), {}],
    ['an empty answer without SOA', 'cache', reply(), {}],
    ['refused', 'cache', reply({ rcode: 'REFUSED' }), {}],
    ['a transfer', 'cache', kept, { type: 'AXFR' }],
    ['NOTIFY', 'cache', kept, { opcode: 'NOTIFY' }],
    ['another zone', 'cache 30 example.com', kept, {}],
    ['disabled answers', 'cache\ndisable success', kept, {}],
    ['disabled in a zone', 'cache\ndisable success example.org', kept, {}],
    ['disabled denials', 'cache\ndisable denial', denial('NXDOMAIN'), {}],
    ['failures with servfail 0', 'cache\nservfail 0', reply({ rcode: 'SERVFAIL' }), {}],
    ['TTL 0 with minimum 0', 'cache\nsuccess 1024 60 0', reply({ answers: [a(0)] }), {}],
  ] as const) {
    const { ask, asked } = await serveCached(t, options, () => upstream)
    await ask(parts)
    await ask(parts)
    t.equal(asked(), 2, fact)
  }
  const { ask, asked } = await serveCached(t, 'cache\ndisable success example.com', () => kept)
  await ask()
  await ask()
  t.equal(asked(), 1, 'disabled in another zone')
})

t.test('what is disabled has the capped TTL all the same', async t => {
  const { ask } = await serveCached(t, 'cache 30\ndisable success', () =>
    reply({ answers: [a(60)] }),
  )
  t.equal(ttlOf(await ask()), 30)
})

t.test(
  'questions that differ in type, DO or CD are kept apart; letter case does not matter',
  async t => {
    const { ask, asked } = await serveCached(t, 'cache', asked =>
      reply({ answers: [a(60, asked.question.name)] }),
    )
    await ask()
    const mixed = await ask({ name: 'wWw.Example.ORG.' })
    t.equal(asked(), 1)
    t.equal(mixed?.answers[0]?.name, 'wWw.Example.ORG.', 'the owner is as asked')
    await ask({ type: 'AAAA' })
    await ask({ edns: edns({ dnssecOk: true }) })
    await ask({ checkingDisabled: true })
    t.equal(asked(), 4)
    await ask({ edns: edns() })
    t.equal(asked(), 4, 'EDNS without DO is as no EDNS')
  },
)

t.test('AD is for those who asked for it', async t => {
  const { ask } = await serveCached(t, 'cache', () =>
    reply({ answers: [a(60)], authenticData: true }),
  )
  t.equal((await ask())?.authenticData, false, 'miss')
  t.equal((await ask())?.authenticData, false, 'hit')
  t.equal((await ask({ authenticData: true }))?.authenticData, true, 'AD')
  t.equal((await ask({ edns: edns({ dnssecOk: true }) }))?.authenticData, true, 'DO')
})

t.test('a failure is kept 5 s, and never hides an answer', async t => {
  const failing = await serveCached(t, 'cache', () => reply({ rcode: 'SERVFAIL' }))
  await failing.ask()
  failing.clock.advance(4999)
  await failing.ask()
  t.equal(failing.asked(), 1)
  failing.clock.advance(1)
  await failing.ask()
  t.equal(failing.asked(), 2)
})

t.test('a new denial takes the place of an answer, and the other way round', async t => {
  const answers = [
    reply({ answers: [a(10)] }),
    denial('NXDOMAIN', 100, 100),
    reply({ answers: [a(10)] }),
  ]
  const { ask, clock } = await serveCached(t, 'cache', (_, count) => answers[count - 1])
  await ask()
  clock.advance(10_000)
  t.equal((await ask())?.rcode, 'NXDOMAIN')
  clock.advance(100_000)
  t.equal((await ask())?.rcode, 'NOERROR')
  t.equal((await ask())?.rcode, 'NOERROR')
})

t.test('keepttl does not count down', async t => {
  const { ask, clock } = await serveCached(t, 'cache\nkeepttl', () => reply({ answers: [a(60)] }))
  await ask()
  clock.advance(30_000)
  t.equal(ttlOf(await ask()), 60)
})

t.test('a popular entry is refreshed before its end', async t => {
  const { ask, clock, asked, context } = await serveCached(t, 'cache\nprefetch 2 1m 50%', () =>
    reply({ answers: [a(60)] }),
  )
  await ask()
  clock.advance(20_000)
  await ask()
  t.equal(asked(), 1, 'more than half of its life is left')
  clock.advance(15_000)
  t.equal(ttlOf(await ask()), 25, 'the hit that is enough has the old answer')
  await eventually('the refresh', async () => asked() === 2 && ttlOf(await ask()) === 60)
  t.match(await context.metrics.metrics(), /coredns_cache_prefetch_total\{.*\} 1\n/)
})

t.test('an entry past its end is served while a refresh runs', async t => {
  const { ask, clock, asked } = await serveCached(t, 'cache\nserve_stale 1m', () =>
    reply({ answers: [a(60)] }),
  )
  await ask()
  clock.advance(100_000)
  t.equal(ttlOf(await ask()), 0, 'stale, TTL 0')
  await eventually('the refresh', async () => asked() === 2 && ttlOf(await ask()) === 60)
  clock.advance(121_000)
  t.equal(ttlOf(await ask()), 60, 'too old')
  t.equal(asked(), 3)
})

t.test('verify serves an entry past its end only when there is no new one', async t => {
  let upstream: Reply = reply({ answers: [a(60)] })
  const { ask, clock, asked } = await serveCached(t, 'cache\nserve_stale 1h verify', () => upstream)
  await ask()
  clock.advance(61_000)
  upstream = reply({ rcode: 'SERVFAIL' })
  t.match(await ask(), { rcode: 'NOERROR', answers: [{ ttl: 0 }] })
  t.match(
    await ask(),
    { rcode: 'NOERROR', answers: [{ ttl: 0 }] },
    'a kept failure does not hide it',
  )
  upstream = reply({ answers: [a(30)] })
  t.equal(ttlOf(await ask()), 30)
  t.equal(asked(), 4)
})

t.test('no answer is no answer', async t => {
  const { ask } = await serveCached(t, 'cache', () => undefined)
  t.equal(await ask(), undefined)
})

t.test('never more entries than the capacity; the oldest makes room', async t => {
  const { ask, asked, context } = await serveCached(t, 'cache\nsuccess 1024', ({ question }) =>
    reply({ answers: [a(60, question.name)] }),
  )
  for (let host = 0; host < 1500; host++) await ask({ name: `h${host}.example.org.` })
  const before = asked()
  await ask({ name: 'h1499.example.org.' })
  t.equal(asked(), before, 'the newest is there')
  await ask({ name: 'h0.example.org.' })
  t.equal(asked(), before + 1, 'the oldest is gone')
  const text = await context.metrics.metrics()
  t.match(
    text,
    /coredns_cache_entries\{server="dns:\/\/:53",zones="\.",view="",type="success"\} 1024\n/,
  )
  t.match(text, /coredns_cache_evictions_total\{.*type="success".*\} 477\n/)
})

t.test('hits and misses are counted', async t => {
  const { ask, context } = await serveCached(t, 'cache', () => reply({ answers: [a(60)] }))
  await ask()
  await ask()
  await ask()
  const text = await context.metrics.metrics()
  const labels = 'server="dns://:53",zones=".",view=""'
  t.match(text, `coredns_cache_requests_total{${labels}} 3\n`)
  t.match(text, `coredns_cache_misses_total{${labels}} 1\n`)
  t.match(text, 'coredns_cache_hits_total{server="dns://:53",zones=".",view="",type="success"} 2\n')
})

t.test(
  'a hit never has a TTL above what is left of the smallest, whatever the answer',
  async () => {
    const ttls = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(ttls, fc.integer({ min: 0, max: 4999 }), async (records, waitMs) => {
        const { ask, clock } = await serveCached(t, 'cache', () =>
          reply({ answers: records.map(ttl => a(ttl)) }),
        )
        await ask()
        clock.advance(waitMs)
        const got = await ask()
        const left = Math.max(5, Math.min(3600, ...records)) - Math.floor(waitMs / 1000)
        return got?.answers.every(({ ttl }) => ttl === left) === true
      }),
      { numRuns: 50 },
    )
  },
)
