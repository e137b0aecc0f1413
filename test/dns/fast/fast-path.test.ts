import t from 'tap'
import { Era, madeNow } from '#dns/era.ts'
import { type Reply, reply } from '#dns/message.ts'
import type { Plugin } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { loadbalance } from '#dns/plugins/loadbalance/plugin.ts'
import { exchangeMetrics } from '#dns/server/metrics.ts'
import { Watches } from '#dns/watches.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import type { IpAddress } from '#net/ip.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'
import { addressRecord, directive, edns, question, setupContext } from '../../helper/dns.ts'
import { FastBlock, packetOf } from '../../helper/fast-block.ts'
import { HeldClock } from '../../helper/held-clock.ts'

/** Answers that stay until `watches` is touched, one address for each of `hosts`. */
function source(hosts: readonly string[] = ['192.0.2.1'], parts: Partial<Reply> = {}) {
  const watches = new Watches()
  let asked = 0
  const plugin: Plugin = {
    name: 'source',
    fastPath: true,
    wrap: () => query => {
      asked++
      const make = (name: string) =>
        reply({ answers: hosts.map(host => addressRecord(host, name)), ...parts })
      return {
        ...make(query.question.name),
        remember: {
          again: same => make(same.question.name),
          forMs: Number.POSITIVE_INFINITY,
          ttlLeftMs: undefined,
          rotates: false,
          untilChange: forget => watches.watch(['it'], forget),
        },
      }
    },
  }
  return { plugin, watches, asked: () => asked }
}

const packet = packetOf({})
const answersOf = (octets: Uint8Array | undefined) => {
  const decoded = octets && decodeMessage(octets)
  return decoded?.kind === 'message' ? decoded.message.answers : undefined
}
const still = () => 0

t.test('a name is ready once it was asked twice', async t => {
  const block = new FastBlock([source().plugin], still)
  await block.slow(packet)
  t.equal(block.fast(packet), undefined)
  const slow = await block.slow(packet)
  t.strictSame(block.fast(packet), slow)
})

t.test('an answer is gone for the next packet when what it was made from changed', async t => {
  const { plugin, watches } = source()
  const block = new FastBlock([plugin], still)
  await block.warm(packet)
  t.ok(block.fast(packet))
  watches.touch('it')
  t.equal(block.fast(packet), undefined)
  await block.slow(packet)
  t.ok(block.fast(packet), 'and is ready again')
  block.path.clear()
  t.equal(block.fast(packet), undefined, 'a reload takes all')
})

t.test('answers of an era are gone for the next packet when it ends, all of them', async t => {
  const era = new Era()
  const watched: number[] = []
  const plugin: Plugin = {
    name: 'source',
    fastPath: true,
    wrap: () => query => {
      const make = (name: string) => reply({ answers: [addressRecord('192.0.2.1', name)] })
      return {
        ...make(query.question.name),
        remember: {
          again: same => make(same.question.name),
          forMs: Number.POSITIVE_INFINITY,
          ttlLeftMs: undefined,
          rotates: false,
          madeIn: madeNow(era),
          untilChange: () => () => watched.push(1),
        },
      }
    },
  }
  const block = new FastBlock([plugin], still)
  const packets = ['a.example.org.', 'b.example.org.'].map(name =>
    packetOf({ question: question({ name }) }),
  )
  for (const each of packets) await block.warm(each)
  for (const each of packets) t.ok(block.fast(each))
  era.next()
  for (const each of packets) t.equal(block.fast(each), undefined)
  for (const each of packets) await block.slow(each)
  for (const each of packets) t.ok(block.fast(each), 'ready again')
  block.path.clear()
  era.next()
  for (const each of packets) await block.slow(each)
  for (const each of packets) t.ok(block.fast(each), 'after a reload as well')
  t.strictSame(watched, [], 'nobody is told of each')
})

t.test('an answer whose era ended on the way is not kept', async t => {
  const era = new Era()
  const { plugin } = source()
  const slow: Plugin = {
    name: 'slow',
    fastPath: true,
    wrap: next => async (query, signal) => {
      const given = await next(query, signal)
      const madeIn = madeNow(era)
      era.next()
      return given?.remember && { ...given, remember: { ...given.remember, madeIn } }
    },
  }
  const block = new FastBlock([slow, plugin], still)
  await block.warm(packet)
  t.equal(block.fast(packet), undefined)
})

t.test('uses of an answer that nobody gives any more are counted with the next one', async t => {
  const era = new Era()
  let counted = 0
  const { plugin } = source()
  const aged: Plugin = {
    name: 'aged',
    fastPath: true,
    wrap: next => async (query, signal) => {
      const given = await next(query, signal)
      const remember = given?.remember && {
        ...given.remember,
        madeIn: madeNow(era),
        counted: (times: number) => {
          counted += times
        },
      }
      return given && remember && { ...given, remember }
    },
  }
  const block = new FastBlock([aged, plugin], still)
  await block.warm(packet)
  block.fast(packet)
  block.fast(packet)
  era.next()
  t.equal(block.fast(packet), undefined)
  await block.slow(packet)
  t.equal(counted, 2)
})

t.test('what a plugin does not allow, or changed unsaid, is not kept', async t => {
  const silent: Plugin = { name: 'silent', wrap: next => (query, signal) => next(query, signal) }
  const changing: Plugin = {
    name: 'changing',
    fastPath: true,
    wrap: next => async (query, signal) => {
      const given = await next(query, signal)
      return given && { ...given, recursionAvailable: true }
    },
  }
  const watching: Plugin = { name: 'watching', observe: () => undefined }
  for (const plugin of [silent, changing, watching]) {
    const block = new FastBlock([plugin, source().plugin], still)
    await block.warm(packet)
    t.equal(block.fast(packet), undefined, plugin.name)
  }
})

t.test('options of the answer, and answers that are too long, go the slow way', async t => {
  const long = Array.from({ length: 199 }, (_, host) => `2001:db8::${host + 1}`)
  const name = `${'a'.repeat(63)}.example.org.`
  for (const { plugin } of [
    source(['192.0.2.1'], { ednsOptions: [{ code: 3, data: new Uint8Array(2) }] }),
    source(long),
    source([...long, '2001:db8:1::1', '2001:db8:1::2']),
  ]) {
    const block = new FastBlock([plugin], still)
    const roomy = packetOf({ question: question({ name }), edns: edns({ udpSize: 65_000 }) })
    await block.warm(roomy)
    t.equal(block.fast(roomy), undefined)
    t.strictSame(block.crashes, [])
  }
})

t.test('each size of client has its own answer where it does not fit into 512 octets', async t => {
  const hosts = Array.from({ length: 40 }, (_, host) => `192.0.2.${host}`)
  const block = new FastBlock([source(hosts).plugin], still)
  for (const udpSize of [512, 600, 1232, 4096]) {
    const sized = packetOf({ edns: edns({ udpSize }) })
    await block.warm(sized)
    for (const family of [4, 6] as const) {
      const slow = await block.slow(sized, family)
      t.strictSame(block.fast(sized, family), slow, `${udpSize} octets over IPv${family}`)
    }
  }
})

t.test('rotated addresses each come first about as often', async t => {
  const hosts = ['192.0.2.1', '192.0.2.2', '192.0.2.3']
  const balance = await loadbalance.setup([directive('loadbalance')], setupContext())
  const block = new FastBlock([balance, source(hosts).plugin], still)
  await block.warm(packet)
  const firsts = new Map<unknown, number>()
  for (let count = 0; count < 600; count++) {
    const answers = answersOf(block.fast(packet)) ?? []
    const all = answers.map(({ data }) => String(data as IpAddress))
    if (all.toSorted().join() !== hosts.join()) t.fail(`lost a record: ${all.join()}`)
    firsts.set(all[0], (firsts.get(all[0]) ?? 0) + 1)
  }
  // 200 expected of each, with a deviation of 12.
  for (const host of hosts) t.ok((firsts.get(host) ?? 0) > 130, `${host}: ${firsts.get(host)}`)
})

const valueOf = async (metrics: Metrics, name: string): Promise<number> => {
  // As a scrape does: all metrics in their order.
  const text = await metrics.metrics()
  return text
    .split('\n')
    .filter(line => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

t.test('a cached answer counts its TTL down, ends with it, and is counted as a hit', async t => {
  const clock = new HeldClock()
  const metrics = createMetrics()
  const upstream: Plugin = {
    name: 'upstream',
    fastPath: true,
    wrap: () => query => reply({ answers: [addressRecord('192.0.2.1', query.question.name)] }),
  }
  const observing: Plugin = {
    name: 'prometheus',
    fastPath: true,
    observe: exchangeMetrics(metrics),
  }
  const context = setupContext({ metrics })
  const cache = await cachePlugin(clock).setup([directive('cache 60')], context)
  const cached = new FastBlock([observing, cache, upstream], () => clock.monotonic())
  await cached.warm(packet)
  await cached.slow(packet)
  clock.advance(1500)
  t.equal(answersOf(cached.fast(packet))?.[0]?.ttl, 4)
  clock.advance(2500)
  t.equal(answersOf(cached.fast(packet))?.[0]?.ttl, 1)
  clock.advance(1000)
  t.equal(cached.fast(packet), undefined)
  cached.path.countUses()
  t.equal(await valueOf(metrics, 'coredns_cache_hits_total'), 4, 'two of them fast')
  t.equal(await valueOf(metrics, 'coredns_cache_requests_total'), 5)
  t.equal(await valueOf(metrics, 'coredns_dns_requests_total'), 5)
  t.equal(await valueOf(metrics, 'coredns_dns_request_size_bytes_count'), 5)
})

t.test('a popular answer is refreshed before its end, counting what the workers gave', async t => {
  const clock = new HeldClock()
  let asked = 0
  const upstream: Plugin = {
    name: 'upstream',
    fastPath: true,
    wrap: () => query => {
      asked++
      const record = { ...addressRecord('192.0.2.1', query.question.name), ttl: 100 }
      return reply({ answers: [record] })
    },
  }
  const text = 'cache 100\nprefetch 10 1m 10%'
  const cache = await cachePlugin(clock).setup([directive(text)], setupContext())
  const block = new FastBlock([cache, upstream], () => clock.monotonic())
  await block.warm(packet)
  await block.slow(packet)
  for (let count = 0; count < 20; count++) t.ok(block.fast(packet))
  clock.advance(89_900)
  t.ok(block.fast(packet))
  clock.advance(200)
  t.equal(block.fast(packet), undefined, 'from now on the cache is asked')
  t.equal(asked, 1)
  await block.slow(packet)
  t.equal(asked, 2, 'refreshed with the first hit, for the others were counted')
})

t.test('metrics of a scrape have what the workers answered, by family', async t => {
  const metrics = createMetrics()
  const observing: Plugin = {
    name: 'prometheus',
    fastPath: true,
    observe: (exchange, times) => exchangeMetrics(metrics)(exchange, times),
  }
  const block = new FastBlock([observing, source().plugin], still, { metrics })
  await block.warm(packet)
  for (let count = 0; count < 5; count++) block.fast(packet, 6)
  block.fast(packet, 4)
  t.equal(await valueOf(metrics, 'coredns_dns_requests_total'), 8)
  const text = await metrics.metrics()
  t.match(text, /coredns_dns_requests_total\{[^}]*proto="udp",family="2",type="A"\} 5/)
  t.match(text, /coredns_dns_responses_total\{[^}]*rcode="NOERROR",plugin="source"\} 8/)
  t.match(text, /nodeplane_dns_fast_path_answers_total 6/)
  t.match(text, /nodeplane_dns_fast_path_entries 1/)
  t.match(text, /coredns_dns_request_duration_seconds_bucket\{le="0.00025",[^}]*\} \d/)
})

t.test('the table keeps its size, the newest names stay, nothing counted is lost', async t => {
  const metrics = createMetrics()
  const block = new FastBlock([source().plugin], still, { metrics, maxOctets: 64 * 1024 })
  const nameOf = (number: number) =>
    packetOf({ question: question({ name: `host-${number}.example.org.` }) })
  const NAMES = 3000
  let given = 0
  for (let number = 0; number < NAMES; number++) {
    await block.warm(nameOf(number))
    const fast = block.fast(nameOf(number))
    const slow = await block.slow(nameOf(number))
    if (fast !== undefined && slow !== undefined && Buffer.compare(fast, slow) === 0) given++
  }
  t.equal(given, NAMES)
  t.ok(block.fast(nameOf(NAMES - 1)), 'the newest')
  t.ok(block.fast(nameOf(NAMES - 100)), 'a hundred names later')
  t.equal(block.fast(nameOf(0)), undefined, 'the oldest made room')
  t.equal(await valueOf(metrics, 'nodeplane_dns_fast_path_answers_total'), NAMES + 2)
  t.equal(block.path.memory.arena.byteLength, 64 * 1024)
})

t.test('answers of all lengths come and go and stay right', async t => {
  const random = (() => {
    let state = 42
    return (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
      return state % below
    }
  })()
  const sources = Array.from({ length: 60 }, (_, number) =>
    source(Array.from({ length: 1 + ((number * 7) % 50) }, (_, host) => `10.0.${number}.${host}`)),
  )
  const choosing: Plugin = {
    name: 'choosing',
    fastPath: true,
    wrap: next => (query, signal) => {
      const number = Number.parseInt(query.question.name.slice(1), 10)
      return sources[number]?.plugin.wrap?.(next)(query, signal)
    },
  }
  const block = new FastBlock([choosing], still, { maxOctets: 16 * 1024 })
  let given = 0
  for (let step = 0; step < 6000; step++) {
    const number = random(20) === 0 ? random(60) : random(6)
    const asked = packetOf({
      id: step,
      question: question({ name: `h${number}.example.org.`.replace('h', 'hH'[step % 2] ?? 'h') }),
      edns: edns({ udpSize: [512, 1232, 4096][random(3)] ?? 512 }),
    })
    if (random(30) === 0) sources[number]?.watches.touch('it')
    const fast = block.fast(asked)
    const slow = await block.slow(asked)
    if (fast === undefined) continue
    given++
    if (Buffer.compare(fast, slow ?? Buffer.of()) !== 0) t.fail(`step ${step}`)
  }
  t.strictSame(block.crashes, [])
  t.ok(given > 500, `${given} given`)
})
