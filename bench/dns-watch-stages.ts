import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ItemReader } from '#cluster/api/item-reader.ts'
import { parseWatchEvent } from '#cluster/api/watch.ts'
import type { Kind } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import { keepHeapSmall } from '#runtime/memory.ts'
import { directives, patience, queryFor, setupContext } from '../test/helper/dns.ts'
import { FastBlock, packetOf } from '../test/helper/fast-block.ts'
import { quantile } from './measure.ts'
import { rawService, rawSlice } from './raw-cluster.ts'

// Where the time goes from a line of the watch to the changed answer, in one process without sockets: what each stage takes, what
// stopped for garbage meanwhile, and what it costs to take back many ready denials at once.
// Run: node bench/dns-watch-stages.ts [--services N] [--pods N] [--changes N] [--denials N]

keepHeapSmall()
const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    pods: { type: 'string', default: '0' },
    changes: { type: 'string', default: '2000' },
    /** Ready answers that say there is no such name, which every change takes back. */
    denials: { type: 'string', default: '5000' },
  },
})
const [services, pods, changes, denials] = [
  values.services,
  values.pods,
  values.changes,
  values.denials,
].map(Number) as [number, number, number, number]

const shape = { endpoints: 2, ports: ['http', 'metrics'] }
const stages = ['line → event', 'event → object', 'store', 'feed, zone, taking back', 'answer']

const addressOf = (first: number, at: number) =>
  `${first}.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`
const rawPod = (at: number, first = 11) => ({
  kind: 'Pod',
  metadata: { name: `pod-${at}`, namespace: `team-${at % 50}`, labels: {} },
  spec: { nodeName: `node-${at % 1000}`, containers: [{ name: 'main', image: 'app:1' }] },
  status: {
    phase: 'Running',
    podIP: addressOf(first, at),
    podIPs: [{ ip: addressOf(first, at) }],
  },
})

/** Slice number `at` of a headless Service, with one endpoint. */
function headlessSlice(at: number, address: string) {
  const slice = rawSlice(at, { ...shape, endpoints: 1 })
  const labels = { ...slice.metadata.labels, 'kubernetes.io/service-name': `headless-${at}` }
  const metadata = { ...slice.metadata, name: `headless-${at}-a`, namespace: 'team-0', labels }
  const endpoints = slice.endpoints.map(endpoint => ({ ...endpoint, addresses: [address] }))
  return { ...slice, metadata, endpoints }
}
function headlessService(at: number) {
  const { spec, ...service } = rawService(at, shape)
  const metadata = { ...service.metadata, name: `headless-${at}`, namespace: 'team-0' }
  return { ...service, metadata, spec: { ...spec, clusterIP: 'None', clusterIPs: ['None'] } }
}
const headlessName = (at: number) => `headless-${at}.team-0.svc.cluster.local.`

const store = new Store()
const context = setupContext({ cluster: { open: () => store } })
const readers = new Map<Kind, ItemReader<Kind>>()
const readerOf = (kind: Kind): ItemReader<Kind> => {
  const reader = readers.get(kind) ?? new ItemReader(kind, store, context.log)
  readers.set(kind, reader)
  return reader
}

/** Fills one kind, an object at a time, as the list does. */
function fill(kind: Kind, count: number, rawOf: (at: number) => object): void {
  for (let at = 0; at < count; at++) {
    // Through text, so that strings are as JSON.parse makes them.
    const object = readerOf(kind).read(JSON.parse(JSON.stringify(rawOf(at))))
    if (object !== undefined) store.set(kind, object)
  }
  store.replaceAll(kind, [...store.list(kind)])
}

fill('Namespace', 50, at => ({ kind: 'Namespace', metadata: { name: `team-${at}` } }))
fill('Service', services, at => rawService(at, shape))
for (let at = 0; at < changes; at++) {
  const service = readerOf('Service').read(headlessService(at))
  if (service !== undefined) store.set(service.kind, service)
}
fill('EndpointSlice', services, at => rawSlice(at, shape))
fill('Pod', pods, at => rawPod(at))

const [directive] = directives(
  `kubernetes cluster.local {\n pods ${pods > 0 ? 'verified' : 'disabled'}\n}`,
)
if (directive === undefined) throw new TypeError('no directive')
const plugin = await kubernetesPlugin().setup([directive], context)
const block = new FastBlock([plugin], () => performance.now(), { maxOctets: 16 * 1024 * 1024 })
const handler = plugin.wrap?.(() => undefined)

/** Resolves with the time when the answer to this name is not right any more. */
async function whenChanged(name: string): Promise<number> {
  const reply = await handler?.(queryFor(name), patience())
  return new Promise(resolve => {
    const end = reply?.remember?.untilChange?.(() => {
      resolve(performance.now())
      end?.()
    })
  })
}

/** Milliseconds of each stage of one change. */
async function change(kind: Kind, raw: object, name: string): Promise<readonly number[]> {
  const packet = packetOf({ question: { name, type: 'A', class: 'IN' } })
  await block.warm(packet)
  if (block.fast(packet) === undefined) throw new Error(`${name} is not ready`)
  const line = JSON.stringify({ type: 'MODIFIED', object: { ...raw, ...versioned(raw) } })
  const pending = whenChanged(name)
  await new Promise(resolve => setImmediate(resolve))
  const times = [performance.now()]
  const event = parseWatchEvent(line)
  times.push(performance.now())
  const object = readerOf(kind).read(event.object)
  times.push(performance.now())
  if (object !== undefined) store.set(kind, object)
  times.push(performance.now())
  times.push(await pending)
  if (block.fast(packet) !== undefined) throw new Error(`${name} has its old answer`)
  await block.slow(packet)
  times.push(performance.now())
  return times.slice(1).map((ms, at) => ms - (times[at] as number))
}

const versioned = (raw: object) => ({
  metadata: { ...(raw as { metadata: object }).metadata, resourceVersion: '1' },
})

async function measure(
  title: string,
  one: (at: number) => Promise<readonly number[]>,
): Promise<void> {
  const pauses: number[] = []
  const observer = new PerformanceObserver(list => {
    for (const { duration } of list.getEntries()) pauses.push(duration)
  })
  observer.observe({ entryTypes: ['gc'] })
  const rows: (readonly number[])[] = []
  for (let at = 0; at < changes; at++) rows.push(await one(at))
  await sleep(10)
  observer.disconnect()
  console.log(`\n${title}: ${changes} changes, µs`)
  const line = (name: string, ms: readonly number[]) => {
    const [p50, p99, most] = [0.5, 0.99, 1].map(share => (quantile(ms, share) * 1000).toFixed(0))
    console.log(`  ${name.padEnd(26)} p50 ${p50}  p99 ${p99}  most ${most}`)
  }
  for (const [at, name] of stages.entries())
    line(
      name,
      rows.map(row => row[at] as number),
    )
  line(
    'all',
    rows.map(row => row.reduce((sum, ms) => sum + ms, 0)),
  )
  line(`${pauses.length} pauses for garbage`, pauses)
}

console.log(
  `${services} services × ${shape.endpoints}, ${pods} pods: ${process.memoryUsage.rss() >> 20} MiB`,
)
await measure('an endpoint from NXDOMAIN', at =>
  change('EndpointSlice', headlessSlice(at, addressOf(198, at)), headlessName(at)),
)
await measure('another endpoint', at =>
  change('EndpointSlice', headlessSlice(at, addressOf(199, at)), headlessName(at)),
)
if (pods > 0) {
  await measure('a Pod with another address, from NXDOMAIN', at =>
    change('Pod', rawPod(at, 12), `12-0-${at >> 8}-${at & 255}.team-${at % 50}.pod.cluster.local.`),
  )
}
for (let at = 0; at < denials; at++) {
  const name = `nobody-${at}.team-0.svc.cluster.local.`
  await block.warm(packetOf({ question: { name, type: 'A', class: 'IN' } }))
}
const beforeMs = performance.now()
const namespaceName = 'team-49'
const takenBack = whenChanged('nobody.team-0.svc.cluster.local.')
store.set('EndpointSlice', {
  ...([...store.list('EndpointSlice')][0] ?? { kind: 'EndpointSlice' }),
  metadata: {
    name: 'one-more',
    namespace: namespaceName,
    labels: { 'kubernetes.io/service-name': 'one-more' },
  },
} as never)
await takenBack
console.log(
  `\n${denials} ready denials taken back: ${(performance.now() - beforeMs).toFixed(1)} ms`,
)
await plugin.stop?.()
