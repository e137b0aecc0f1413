import t from 'tap'
import { parseCache } from '#dns/plugins/cache/options.ts'
import { directive } from '../../../helper/dns.ts'

const parse = (text: string) => parseCache(directive(text), ['example.org.'])
const store = { capacity: 9984, minTtl: 5, disabledZones: [] }

t.test('what a cache directive means', async t => {
  for (const [text, want] of [
    [
      'cache',
      {
        zones: ['example.org.'],
        success: { ...store, maxTtl: 3600 },
        denial: { ...store, maxTtl: 1800 },
        servfailTtl: 5,
        keepTtl: false,
        prefetch: undefined,
        stale: undefined,
      },
    ],
    ['cache 30', { success: { maxTtl: 30 }, denial: { maxTtl: 30 }, zones: ['example.org.'] }],
    ['cache 30 A.Example', { success: { maxTtl: 30 }, zones: ['a.example.'] }],
    ['cache a.example', { success: { maxTtl: 3600 }, zones: ['a.example.'] }],
    ['cache\nsuccess 5000 60 2', { success: { capacity: 4864, maxTtl: 60, minTtl: 2 } }],
    ['cache\ndenial 9984 5', { denial: { capacity: 9984, maxTtl: 5, minTtl: 5 } }],
    ['cache 30\ndenial 10', { denial: { capacity: 1024, maxTtl: 30 } }],
    ['cache\ndisable success cluster.local', { success: { disabledZones: ['cluster.local.'] } }],
    ['cache\ndisable denial', { denial: { disabledZones: ['.'] } }],
    ['cache\nservfail 0', { servfailTtl: 0 }],
    ['cache\nservfail 5m', { servfailTtl: 300 }],
    ['cache\nkeepttl', { keepTtl: true }],
    ['cache\nprefetch 3', { prefetch: { amount: 3, maxGapMs: 60_000, share: 0.1 } }],
    ['cache\nprefetch 3 10s 50%', { prefetch: { amount: 3, maxGapMs: 10_000, share: 0.5 } }],
    ['cache\nserve_stale', { stale: { maxAgeMs: 3_600_000, mode: 'immediate', ttl: 0 } }],
    ['cache\nserve_stale 1m immediate 30s', { stale: { maxAgeMs: 60_000, ttl: 30 } }],
    ['cache\nserve_stale verify', { stale: { maxAgeMs: 3_600_000, mode: 'verify' } }],
    ['cache\nserve_stale 1m verify 2s 5s', { stale: { verifyTimeoutMs: 2000, ttl: 5 } }],
    ['cache\nserve_stale 1m verify 2s 5s 30s', { stale: { ttl: 5, recheckMs: 30_000 } }],
    ['cache\nserve_stale immediate 30s 5m', { stale: { ttl: 30, recheckMs: 300_000 } }],
    ['cache\nserve_stale', { stale: { recheckMs: 0 }, prefersPositive: false }],
    ['cache\nserve_stale_policy prefer_positive', { prefersPositive: true }],
  ] as const) {
    t.match(parse(text), want, text)
  }
})

t.test('what is wrong is said with file, line and option', async t => {
  for (const [text, message] of [
    ['cache 0', 'Corefile:2: cache: TTL 0 is not above 0'],
    ['cache -5', 'Corefile:2: cache: TTL -5 is not above 0'],
    ['cache a..b', 'Corefile:2: cache: "a..b" is no zone'],
    ['cache\nsuccess many', 'Corefile:3: cache success: needs a capacity'],
    ['cache\ndenial 1000 0', 'Corefile:3: cache denial: needs a capacity'],
    ['cache\ndenial 1000 5 -1', 'Corefile:3: cache denial: needs a capacity'],
    ['cache\ndisable all', 'Corefile:3: cache disable: needs success or denial'],
    ['cache\nservfail 6m', 'Corefile:3: cache servfail: needs one duration of at most 5m'],
    ['cache\nprefetch', 'Corefile:3: cache prefetch: needs a number of hits'],
    ['cache\nprefetch 1 1m 95%', 'Corefile:3: cache prefetch: needs a number of hits'],
    ['cache\nserve_stale 1h later', 'Corefile:3: cache serve_stale: needs [DURATION]'],
    ['cache\nserve_stale 1h verify 1s 5s 1m 1m', 'Corefile:3: cache serve_stale: needs [DURATION]'],
    [
      'cache\nserve_stale 1h immediate 5s 6m',
      'Corefile:3: cache serve_stale: RECHECK is at most 5m',
    ],
    ['cache\nserve_stale 1h immediate 1500ms', 'Corefile:3: cache serve_stale: TTL is a whole'],
    ['cache\nserve_stale_policy', 'Corefile:3: cache serve_stale_policy: needs prefer_positive'],
    [
      'cache\nserve_stale_policy any',
      'Corefile:3: cache serve_stale_policy: needs prefer_positive',
    ],
    ['cache\nkeepttl 5', 'Corefile:3: cache keepttl: takes no argument'],
    ['cache\nttl 5', 'Corefile:3: cache ttl: unknown option'],
  ] as const) {
    t.throws(() => parse(text), { message: new RegExp(`^${RegExp.escape(message)}`) }, text)
  }
})
