import t from 'tap'
import { type Reply, type ResourceRecord, reply } from '#dns/message.ts'
import { a, denial, NAME, serveCached, ttlOf } from '../../../helper/cache.ts'
import { eventually } from '../../../helper/eventually.ts'

const answer = reply({ answers: [a(60)] })
const failure = reply({ rcode: 'SERVFAIL' })
const alias = (to: string): ResourceRecord => ({
  name: NAME,
  type: 'CNAME',
  class: 'IN',
  ttl: 60,
  data: to,
})

t.test('after a refresh that failed none is tried for the recheck time', async t => {
  for (const mode of ['immediate', 'verify 0']) {
    let upstream: Reply = answer
    const text = `cache\nservfail 0\nserve_stale 1h ${mode} 30s 10s`
    const { ask, asked, clock } = await serveCached(t, text, () => upstream)
    await ask()
    clock.advance(61_000)
    upstream = failure
    t.equal(ttlOf(await ask()), 30, `${mode}: stale`)
    await eventually('the refresh', () => asked() === 2)
    t.equal(ttlOf(await ask()), 30)
    clock.advance(9_999)
    t.equal(ttlOf(await ask()), 30)
    t.equal(asked(), 2, `${mode}: not yet`)
    clock.advance(1)
    upstream = answer
    await ask()
    await eventually('the next refresh', async () => ttlOf(await ask()) === 60)
    t.equal(asked(), 3, `${mode}: again`)
  }
})

t.test('other rcodes than NOERROR and NXDOMAIN are failures to refresh', async t => {
  let upstream: Reply = answer
  const { ask, clock } = await serveCached(t, 'cache\nserve_stale 1h verify', () => upstream)
  await ask()
  clock.advance(61_000)
  for (const rcode of ['SERVFAIL', 'REFUSED', 'NOTIMP', 'FORMERR']) {
    upstream = reply({ rcode })
    t.match(await ask(), { rcode: 'NOERROR', answers: [{ ttl: 0 }] }, rcode)
  }
  upstream = denial('NXDOMAIN')
  t.match(await ask(), { rcode: 'NXDOMAIN' })
})

t.test('verify waits no longer than its time, and the refresh goes on', async t => {
  const late = Promise.withResolvers<Reply>()
  const { ask, clock, asked } = await serveCached(
    t,
    'cache\nserve_stale 1h verify 20ms',
    (_, count) => (count === 1 ? answer : late.promise),
  )
  await ask()
  clock.advance(61_000)
  for (const fact of ['stale', 'still stale']) {
    const waiting = ask()
    clock.advance(20)
    t.equal(ttlOf(await waiting), 0, fact)
  }
  late.resolve(reply({ answers: [a(50)] }))
  await eventually('the late answer', async () => ttlOf(await ask()) === 50)
  t.equal(asked(), 2, 'one refresh for all')
})

t.test('prefer_positive: an answer past its end goes before a newer denial', async t => {
  const text = 'cache\nserve_stale 1h immediate\nserve_stale_policy prefer_positive'
  for (const newer of [denial('NXDOMAIN'), denial('NOERROR'), failure, reply()]) {
    let upstream: Reply = answer
    const { ask, clock } = await serveCached(t, text, () => upstream)
    await ask()
    clock.advance(61_000)
    upstream = newer
    for (let query = 0; query < 3; query++) {
      t.match(await ask(), { rcode: 'NOERROR', answers: [{ ttl: 0 }] }, newer.rcode)
    }
    upstream = answer
    clock.advance(61_000)
    await ask()
    await eventually('a better answer', async () => ttlOf(await ask()) === 60)
    clock.advance(2 * 3_600_000 + 60_000)
    upstream = denial('NXDOMAIN')
    t.equal((await ask())?.rcode, 'NXDOMAIN', 'too old to be preferred')
  }
})

t.test('prefer_positive: no more is asked while a denial is at hand', async t => {
  const text = 'cache\nserve_stale 1h verify\nserve_stale_policy prefer_positive'
  let upstream: Reply = answer
  const { ask, clock, asked } = await serveCached(t, text, () => upstream)
  await ask()
  clock.advance(61_000)
  upstream = denial('NXDOMAIN', 20, 20)
  for (let query = 0; query < 3; query++) {
    t.match(await ask(), { rcode: 'NOERROR', answers: [{ ttl: 0 }] })
  }
  t.equal(asked(), 2)
  clock.advance(20_000)
  upstream = reply({ answers: [a(40)] })
  t.equal(ttlOf(await ask()), 40)
})

t.test('prefer_positive: what does not answer the question replaces nothing', async t => {
  const text = 'cache\nserve_stale 1h verify\nserve_stale_policy prefer_positive'
  let upstream: Reply = reply({ answers: [alias('b.example.'), a(60, 'B.example.')] })
  const { ask, clock } = await serveCached(t, text, () => upstream)
  await ask()
  clock.advance(61_000)
  upstream = reply({ answers: [alias('c.example.'), a(60, 'd.example.')] })
  t.match(await ask(), { answers: [{ data: 'b.example.' }, { ttl: 0 }] })
  upstream = reply({ answers: [alias(NAME)] })
  t.match(await ask(), { answers: [{ data: 'b.example.' }, { ttl: 0 }] }, 'an alias of itself')
})
