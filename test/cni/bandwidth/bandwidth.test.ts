import t from 'tap'
import { bandwidthConfigFrom } from '#cni/bandwidth/config.ts'
import {
  bucketDifferences,
  bucketOf,
  ifbAlias,
  ifbName,
  referenceIfbName,
} from '#cni/bandwidth/plan.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import type { CniConfig } from '#cni/spec/plugin.ts'

const configOf = (fields: object) =>
  bandwidthConfigFrom({ fields: configObjectFrom(fields) } as CniConfig)

const runtime = (bandwidth: object) => ({ runtimeConfig: { bandwidth } })
const limits = { ingressRate: 8000, ingressBurst: 16_000 }

const cases: readonly { title: string; fields: object; want: object }[] = [
  { title: 'nothing', fields: {}, want: { ingress: undefined, egress: undefined } },
  {
    title: 'zeros are nothing',
    fields: { ingressRate: 0, ingressBurst: 0 },
    want: { ingress: undefined, egress: undefined },
  },
  {
    title: 'bits become bytes',
    fields: { ...limits, egressRate: 81, egressBurst: 87 },
    want: { ingress: { rate: 1000, burst: 2000 }, egress: { rate: 10, burst: 10 } },
  },
  {
    title: 'of the runtime, in its spelling',
    fields: runtime({ IngressRate: 8000, IngressBurst: 16_000 }),
    want: { ingress: { rate: 1000, burst: 2000 }, egress: undefined },
  },
  {
    title: 'a single configured key shuts the runtime’s out',
    fields: { egressRate: 0, ...runtime(limits) },
    want: { ingress: undefined, egress: undefined },
  },
  {
    title: 'the burst that runtimes send when nobody said one',
    fields: { ingressRate: 8_000_000, ingressBurst: (2 ** 32 - 1) * 8 - 1 },
    want: { ingress: { rate: 1_000_000, burst: 4_294_967_294 }, egress: undefined },
  },
]

for (const { title, fields, want } of cases) {
  t.test(title, async t => t.strictSame(configOf(fields), want))
}

const refusals: readonly { title: string; fields: object; code: number; message: RegExp }[] = [
  {
    title: 'a rate without burst',
    fields: { ingressRate: 8000 },
    code: 7,
    message: /^ingressBurst: must be set when ingressRate is/,
  },
  {
    title: 'a burst without rate',
    fields: runtime({ egressBurst: 8000 }),
    code: 7,
    message: /^runtimeConfig\.bandwidth\.egressRate: must be set/,
  },
  {
    title: 'a burst of 2^32 − 1 bytes',
    fields: { ingressRate: 8000, ingressBurst: (2 ** 32 - 1) * 8 },
    code: 7,
    message: /^ingressBurst: 34359738360 is more than 4 GB/,
  },
  {
    title: 'a rate of no byte',
    fields: { ingressRate: 7, ingressBurst: 80 },
    code: 7,
    message: /^ingressRate: 7 is less/,
  },
  {
    title: 'a negative rate',
    fields: { ingressRate: -8, ingressBurst: 80 },
    code: 7,
    message: /^ingressRate: -8 is negative/,
  },
  {
    title: 'a text',
    fields: { ...runtime({ ingressRate: '1M' }), ...limits },
    code: 6,
    message: /^runtimeConfig\.bandwidth\.ingressRate must be a whole number, not "1M"/,
  },
  {
    title: 'subnets',
    fields: { ...limits, unshapedSubnets: ['10.0.0.0/8'] },
    code: 2,
    message: /^unshapedSubnets: not supported/,
  },
]

for (const { title, fields, code, message } of refusals) {
  t.test(`refused: ${title}`, async t => {
    t.throws(() => configOf(fields), { cniCode: code, message })
  })
}

t.test('25 ms of the rate and a burst may wait, in 32 bits', async t => {
  t.equal(bucketOf({ rate: 125_000, burst: 10_000 }).limit, 13_125)
  t.equal(bucketOf({ rate: 1e10, burst: 4_294_967_294 }).limit, 0xffffffff)
})

t.test('a bucket of the kernel is compared, its burst in 32 bits and to a millionth', async t => {
  const wish = { rate: 1000, burst: 10, limit: 35, ticks: 2 ** 32 + 5_000_000 }
  const found = { rate: 1000, limit: 35, burstTicks: 5_000_100 }
  t.strictSame(bucketDifferences(wish, found), [])
  t.strictSame(bucketDifferences({ ...wish, ticks: 2 ** 32 - 1 }, { ...found, burstTicks: 1 }), [])
  t.match(bucketDifferences(wish, { ...found, burstTicks: 4_000_000 }), [/^burst is 4000000 ticks/])
  t.strictSame(bucketDifferences(wish, { ...found, rate: 9, limit: 8 }), [
    'rate is 9, not 1000',
    'limit is 8, not 35',
  ])
  t.strictSame(bucketDifferences(wish, undefined), ['there is no token bucket'])
})

t.test('names: one of each interface, and the reference’s of all of a container', async t => {
  const a = { network: 'net', containerId: 'c', ifname: 'eth0' }
  const b = { ...a, ifname: 'eth1' }
  t.equal(referenceIfbName(a), 'bwpf4b316d7e3e8')
  t.match(ifbName(a), /^bwp[0-9a-f]{12}$/)
  t.not(ifbName(a), ifbName(b))
  // printf netc | sha512sum
  t.equal(referenceIfbName(a), referenceIfbName(b))
  t.match(ifbAlias(a), /^nodeplane-bandwidth:[0-9a-f]{16} net c eth0$/)
})
