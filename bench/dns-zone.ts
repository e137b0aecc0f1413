import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type EndpointSlice,
  type Namespace,
  SERVICE_NAME_LABEL,
  type Service,
} from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { ClusterNames } from '#dns/plugins/kubernetes/cluster-names.ts'
import { parseKubernetes } from '#dns/plugins/kubernetes/options.ts'
import { lookup } from '#dns/zone/lookup.ts'
import { systemClock } from '#runtime/clock.ts'
import { endpoint, service, servicePort, slice } from '../test/helper/cluster.ts'
import { quantile } from './measure.ts'

// Names of a large cluster: memory and time to load them, and the time from a change of the store to the changed answer.
// Run: node --expose-gc bench/dns-zone.ts [SERVICES] [ENDPOINTS-PER-SERVICE]

const [serviceCount = 10_000, endpointCount = 2] = process.argv.slice(2).map(Number)
const CHANGES = 2000
const NAMESPACES = 100

const namespaceOf = (at: number) => `ns-${at % NAMESPACES}`
const namespace = (at: number): Namespace => ({
  kind: 'Namespace',
  metadata: { name: namespaceOf(at), namespace: '', labels: {} },
})

const serviceOf = (at: number): Service =>
  service({
    name: `service-${at}`,
    namespace: namespaceOf(at),
    clusterIP: `10.${96 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`,
    ipFamilies: [4],
    ports: [servicePort({ name: 'http' })],
  })

const sliceOf = (at: number, generation = 0): EndpointSlice =>
  slice({
    name: `service-${at}-abcde`,
    namespace: namespaceOf(at),
    labels: { [SERVICE_NAME_LABEL]: `service-${at}` },
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: endpointCount }, (_, number) =>
      endpoint(`172.${16 + generation}.${(at >> 8) & 255}.${(at + number) & 255}`),
    ),
  })

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
function memory(): NodeJS.MemoryUsage {
  globalThis.gc?.()
  return process.memoryUsage()
}

const options = parseKubernetes(
  {
    name: 'kubernetes',
    args: ['cluster.local'],
    block: undefined,
    position: { file: '', line: 1 },
  },
  { zones: [], directory: '/' },
)
const zoneOptions = {
  ...options,
  pods: 'disabled' as const,
  selectsNamespace: undefined,
  localAddresses: [],
}

const start = memory()
const store = new Store()
let beganMs = performance.now()
store.replaceAll(
  'Namespace',
  Array.from({ length: NAMESPACES }, (_, at) => namespace(at)),
)
store.replaceAll(
  'Service',
  Array.from({ length: serviceCount }, (_, at) => serviceOf(at)),
)
store.replaceAll(
  'EndpointSlice',
  Array.from({ length: serviceCount }, (_, at) => sliceOf(at)),
)
const storeMs = performance.now() - beganMs
const withStore = memory()

beganMs = performance.now()
const names = new ClusterNames({ store, options, clock: systemClock, onChange: () => undefined })
await names.firstSync
const indexMs = performance.now() - beganMs
const withIndex = memory()

const addressOf = (at: number): unknown => {
  const label = sliceOf(at, 1).endpoints[0]?.addresses[0]?.replaceAll('.', '-')
  const name = `${label}.service-${at}.${namespaceOf(at)}.svc.cluster.local.`
  const question = { name, type: 'A', zone: 'cluster.local.' }
  return lookup(names.index, zoneOptions, question).kind === 'answer'
}

const latencies: number[] = []
for (let change = 0; change < CHANGES; change++) {
  const at = (change * 7919) % serviceCount
  const after = sliceOf(at, 1)
  beganMs = performance.now()
  store.set('EndpointSlice', after)
  while (!addressOf(at)) await nextTurn()
  latencies.push(performance.now() - beganMs)
}
const percentile = (share: number) => `${quantile(latencies, share).toFixed(3)} ms`

beganMs = performance.now()
const QUESTIONS = 200_000
for (let question = 0; question < QUESTIONS; question++) {
  const at = (question * 7919) % serviceCount
  const name = `service-${at}.${namespaceOf(at)}.svc.cluster.local.`
  lookup(names.index, zoneOptions, { name, type: 'A', zone: 'cluster.local.' })
}
const lookupUs = ((performance.now() - beganMs) / QUESTIONS) * 1000

console.log(`services ${serviceCount}, endpoints ${serviceCount * endpointCount}`)
console.log(
  `store: ${storeMs.toFixed(0)} ms, heap +${megabytes(withStore.heapUsed - start.heapUsed)}`,
)
console.log(
  `index: ${indexMs.toFixed(0)} ms, heap +${megabytes(withIndex.heapUsed - withStore.heapUsed)}`,
)
console.log(`process: RSS ${megabytes(start.rss)}, with all loaded ${megabytes(withIndex.rss)}`)
console.log(
  `change → answer: p50 ${percentile(0.5)}, p99 ${percentile(0.99)}, max ${percentile(1)}`,
)
console.log(`lookup: ${lookupUs.toFixed(2)} µs`)
await names.stop()
