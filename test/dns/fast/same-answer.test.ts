import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import type { ClusterObject } from '#cluster/objects.ts'
import { keyOf } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { Message } from '#dns/message.ts'
import type { Plugin } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import { loadbalance } from '#dns/plugins/loadbalance/plugin.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive, message, setupContext } from '../../helper/dns.ts'
import { FastBlock, packetOf } from '../../helper/fast-block.ts'
import { HeldClock } from '../../helper/held-clock.ts'
import { endpoint, namespace, pod, service, slice } from '../../helper/zone-cluster.ts'

// The law of the fast path: an answer that it gives is the answer that the chain would give, octet for octet.

const kinds = ['Service', 'EndpointSlice', 'Namespace', 'Pod'] as const

/** What there is, as steps that bring it and take it away. */
const objects: readonly ClusterObject[] = [
  namespace('testns'),
  namespace('other'),
  service({ name: 'web', ips: ['10.0.0.1', 'fd00::1'] }),
  service({ name: 'web', ips: ['10.0.0.2'], ports: ['http/TCP/80', 'dns/UDP/53'] }),
  service({ name: 'web', externalName: 'Db.testns.svc.cluster.local' }),
  service({ name: 'db', ips: ['None'] }),
  service({ name: 'db', ips: ['10.0.0.3'] }),
  service({ name: 'alias', externalName: 'web.testns.svc.cluster.local' }),
  service({ name: 'outside', externalName: 'www.example.org' }),
  slice({ of: 'db', endpoints: [endpoint('172.0.0.1', { hostname: 'db-0' })] }),
  slice({ of: 'db', endpoints: [1, 2, 3].map(host => endpoint(`172.0.0.${host}`)) }),
  slice({
    of: 'db',
    endpoints: Array.from({ length: 60 }, (_, host) => endpoint(`172.0.1.${host}`)),
  }),
  slice({ of: 'web', endpoints: [endpoint('172.0.0.9')] }),
  pod({ name: 'a', ips: ['172.0.0.1'] }),
]

const names = [
  'web.testns.svc',
  'db.testns.svc',
  'db-0.db.testns.svc',
  '172-0-0-1.db.testns.svc',
  '_http._tcp.web.testns.svc',
  '_http._tcp.db.testns.svc',
  'alias.testns.svc',
  'outside.testns.svc',
  'web.other.svc',
  'nope.testns.svc',
  'testns.svc',
  'other.svc',
  'svc',
  '172-0-0-1.testns.pod',
  '172-0-0-7.testns.pod',
  'dns-version',
  'ns.dns',
  'web.testns.svc.cluster.local.testns.svc',
].map(path => `${path}.cluster.local.`)
const reverse = ['1.0.0.10', '2.0.0.10', '1.0.0.172', '9.9.9.9'].map(
  path => `${path}.in-addr.arpa.`,
)

const types = ['A', 'AAAA', 'SRV', 'CNAME', 'TXT', 'PTR', 'SOA', 'NS', 'MX', 'ANY', 'HTTPS']

const mixCase = (name: string, bits: readonly boolean[]): string =>
  Array.from(name, (char, at) => (bits[at % bits.length] ? char.toUpperCase() : char)).join('')

type Asked = { readonly packet: Uint8Array; readonly family: 4 | 6 }

const asked: fc.Arbitrary<Asked> = fc
  .record({
    name: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...names) },
      { weight: 1, arbitrary: fc.constantFrom('cluster.local.', '0.10.in-addr.arpa.') },
      { weight: 2, arbitrary: fc.constantFrom(...reverse) },
    ),
    type: fc.constantFrom(...types, 'A', 'A', 'A', 'SRV', 'SRV', 'PTR'),
    bits: fc.oneof(
      fc.constant([false]),
      fc.constant([true]),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
    ),
    id: fc.nat(0xffff),
    recursionDesired: fc.boolean(),
    checkingDisabled: fc.boolean(),
    authenticData: fc.boolean(),
    udpSize: fc.constantFrom(undefined, undefined, 0, 511, 512, 600, 1232, 1400, 4096, 65_535),
    dnssecOk: fc.boolean(),
    family: fc.constantFrom(4 as const, 6 as const),
  })
  .map(({ name, type, bits, udpSize, dnssecOk, family, ...header }) => {
    const edns = udpSize === undefined ? undefined : { version: 0, udpSize, dnssecOk, options: [] }
    const question = { name: mixCase(name, bits), type, class: 'IN' }
    return { packet: packetOf({ ...header, question, edns }), family }
  })

type Step =
  | { readonly kind: 'ask'; readonly asked: Asked }
  | { readonly kind: 'set' | 'delete'; readonly object: ClusterObject }
  | { readonly kind: 'wait'; readonly ms: number }

const steps: fc.Arbitrary<readonly Step[]> = fc
  .array(asked, { minLength: 3, maxLength: 8 })
  .chain(pool =>
    fc.array(
      fc.oneof(
        {
          weight: 12,
          arbitrary: fc.constantFrom(...pool).map(one => ({ kind: 'ask', asked: one }) as const),
        },
        {
          weight: 2,
          arbitrary: fc.record({
            kind: fc.constantFrom('set' as const, 'set' as const, 'delete' as const),
            object: fc.constantFrom(...objects),
          }),
        },
        {
          weight: 1,
          arbitrary: fc.constantFrom(1, 400, 1000, 4000).map(ms => ({ kind: 'wait', ms }) as const),
        },
      ),
      { minLength: 20, maxLength: 60 },
    ),
  )

/** Runs the steps; gives how many answers of the fast path were compared. */
async function run(
  program: readonly Step[],
  extra: (clock: HeldClock) => Promise<readonly Plugin[]>,
  compare: (fast: Uint8Array, slow: Uint8Array) => void,
): Promise<number> {
  const clock = new HeldClock()
  const store = new Store()
  for (const object of objects.slice(0, 8)) store.set(object.kind, object)
  for (const kind of kinds) store.replaceAll(kind, [...store.list(kind)])
  const context = setupContext({ cluster: { open: () => store } })
  const surroundings = { clock, localAddresses: () => ['10.1.1.1' as IpAddress] }
  const text = 'kubernetes cluster.local in-addr.arpa\npods verified\nttl 30'
  const kubernetes = await kubernetesPlugin(surroundings).setup([directive(text)], context)
  const block = new FastBlock([...(await extra(clock)), kubernetes], () => clock.monotonic())
  let compared = 0
  for (const step of program) {
    if (step.kind === 'wait') clock.advance(step.ms)
    else if (step.kind === 'ask') {
      const { packet, family } = step.asked
      const fast = block.fast(packet, family)
      const slow = await block.slow(packet, family)
      if (fast !== undefined && slow !== undefined) {
        compare(fast, slow)
        compared++
      }
    } else {
      if (step.kind === 'set') store.set(step.object.kind, step.object)
      else store.delete(step.object.kind, keyOf(step.object))
      // The index takes changes in on the next turns.
      for (let turn = 0; turn < 3; turn++) await nextTurn()
    }
  }
  await kubernetes.stop?.()
  if (block.crashes.length > 0) throw block.crashes[0]
  return compared
}

/** The answer as it is sent, its addresses in an order that is always the same. */
function inOrder(octets: Uint8Array): Message {
  const decoded = decodeMessage(octets)
  if (decoded.kind === 'malformed') throw new Error(decoded.reason)
  const sorted = (records: Message['answers']) =>
    records.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  const { answers, additionals, authorities } = decoded.message
  return {
    ...message(decoded.message),
    answers: sorted(answers),
    authorities: sorted(authorities),
    additionals: sorted(additionals),
  }
}

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const equalOctets = (fast: Uint8Array, slow: Uint8Array): void => {
  if (hex(fast) !== hex(slow)) throw new Error(`fast ${hex(fast)}\nslow ${hex(slow)}`)
}

const blocks: readonly {
  readonly title: string
  readonly plugins: (clock: HeldClock) => Promise<readonly Plugin[]>
  readonly compare: (fast: Uint8Array, slow: Uint8Array) => void
}[] = [
  { title: 'kubernetes alone', plugins: async () => [], compare: equalOctets },
  {
    title: 'behind a cache that keeps its answers',
    plugins: async clock => [
      await cachePlugin(clock).setup([directive('cache 5')], setupContext()),
    ],
    compare: equalOctets,
  },
  {
    title: 'behind a cache that keeps none of them',
    plugins: async clock => {
      const text = 'cache 20\ndisable success cluster.local\ndisable denial cluster.local'
      return [await cachePlugin(clock).setup([directive(text)], setupContext())]
    },
    compare: equalOctets,
  },
  {
    title: 'behind loadbalance, but for the order of addresses',
    plugins: async () => [await loadbalance.setup([directive('loadbalance')], setupContext())],
    compare: (fast, slow) => {
      if (JSON.stringify(inOrder(fast)) === JSON.stringify(inOrder(slow))) return
      throw new Error(`fast ${hex(fast)}\nslow ${hex(slow)}`)
    },
  },
]

for (const { title, plugins, compare } of blocks) {
  t.test(`the same answer on both paths: ${title}`, async t => {
    let compared = 0
    await fc.assert(
      fc.asyncProperty(steps, async program => {
        compared += await run(program, plugins, compare)
      }),
      { numRuns: 150, seed: 20_261_121 },
    )
    t.ok(compared > 500, `${compared} answers of the fast path were compared`)
    t.comment(`${compared} compared`)
  })
}
