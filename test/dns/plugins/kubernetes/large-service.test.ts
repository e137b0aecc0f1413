import t from 'tap'
import type { EndpointSlice } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { Message, Query, Reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import { encodeReply } from '#dns/server/reply-message.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import type { IpAddress } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import { directive, edns, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { endpoint, namespace, service, slice } from '../../../helper/zone-cluster.ts'

const NAME = 'big.testns.svc.cluster.local.'
const SLICES = 50
const PER_SLICE = 100
const addressOf = (at: number, host: number) => `10.1.${at}.${host}`

/** How often the endpoints of each slice were read. */
const reads = new Map<string, number>()
/** The slice, counting who looks at its endpoints. */
function counted(made: EndpointSlice): EndpointSlice {
  const { endpoints, ...rest } = made
  const { name } = made.metadata
  return Object.defineProperty({ ...rest, endpoints }, 'endpoints', {
    enumerable: true,
    get() {
      reads.set(name, (reads.get(name) ?? 0) + 1)
      return endpoints
    },
  })
}
const bigSlice = (at: number, endpoints = PER_SLICE) =>
  counted(
    slice({
      of: 'big',
      name: `big-${at}`,
      endpoints: Array.from({ length: endpoints }, (_, host) => endpoint(addressOf(at, host))),
    }),
  )

const store = new Store()
store.replaceAll('Namespace', [namespace('testns')])
store.replaceAll('Service', [service({ name: 'big', ips: ['None'] })])
store.replaceAll(
  'EndpointSlice',
  Array.from({ length: SLICES }, (_, at) => bigSlice(at)),
)
const plugin = await kubernetesPlugin({
  clock: systemClock,
  localAddresses: () => ['10.1.1.1' as IpAddress],
}).setup([directive('kubernetes cluster.local')], setupContext({ cluster: { open: () => store } }))
t.teardown(() => plugin.stop?.())
const handler = plugin.wrap?.(() => undefined) as Handler

/** The message that a client gets. */
async function answerTo(query: Query): Promise<Message> {
  const reply = (await handler(query, patience())) as Reply
  const decoded = decodeMessage(encodeReply(query, reply))
  if (decoded.kind === 'malformed') throw new Error(decoded.reason)
  return decoded.message
}

for (const [title, parts, maxOctets] of [
  ['a plain datagram', {}, 512],
  ['a datagram with EDNS', { edns: edns() }, 1232],
] as const) {
  t.test(`5,000 endpoints in ${title}: what fits, and TC`, async t => {
    const query = queryFor(NAME, 'A', parts)
    const { truncated, answers } = await answerTo(query)
    t.equal(truncated, true)
    t.ok(answers.length > 0 && answers.length * 16 < maxOctets)
    t.equal(
      encodeReply(query, (await handler(query, patience())) as Reply).length <= maxOctets,
      true,
    )
  })
}

t.test('over TCP what a message can hold, of all 5,000 addresses', async t => {
  const { truncated, answers } = await answerTo(queryFor(NAME, 'A', { transport: 'tcp' }))
  // RFC 1035 section 4.2.2: the length has two octets; an A record under a compressed name has 16.
  t.equal(truncated, true)
  t.ok(answers.length >= Math.floor((65_535 - 12 - 35) / 16) - 1)
  t.equal(new Set(answers.map(({ data }) => data)).size, answers.length)
})

t.test('each endpoint has its name', async t => {
  const { answers } = await answerTo(queryFor(`10-1-49-99.${NAME}`))
  t.match(answers, [{ data: '10.1.49.99' }])
})

t.test('a change of one endpoint costs the slice it is in', async t => {
  // Tables of names are made by the first question.
  await answerTo(queryFor(`10-1-7-99.${NAME}`))
  reads.clear()
  store.set('EndpointSlice', bigSlice(7, PER_SLICE - 1))
  await eventually('the end of the name', async () => {
    const { rcode } = await answerTo(queryFor(`10-1-7-99.${NAME}`))
    return rcode === 'NXDOMAIN'
  })
  t.strictSame([...reads.keys()], ['big-7'])
})

t.test('a fourth fewer fit a message over TCP', async t => {
  for (let at = 0; at < SLICES / 4; at++) store.delete('EndpointSlice', `testns/big-${at}`)
  const query = queryFor(NAME, 'A', { transport: 'tcp' })
  const left = (SLICES - 13) * PER_SLICE
  const { answers, truncated } = await eventually('the change', async () => {
    const message = await answerTo(query)
    return message.answers.length === left && message
  })
  t.equal(answers.length, left)
  t.equal(truncated, false)
})
