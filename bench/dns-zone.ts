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

const service = (at: number): Service => ({
  kind: 'Service',
  metadata: { name: `service-${at}`, namespace: namespaceOf(at), labels: {} },
  type: 'ClusterIP',
  clusterIP: `10.${96 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`,
  clusterIPs: [`10.${96 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`],
  ipFamilies: [4],
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 0 }],
  externalIPs: [],
  externalName: '',
  loadBalancerIngress: [],
  loadBalancerSourceRanges: [],
  internalTrafficPolicy: 'Cluster',
  externalTrafficPolicy: 'Cluster',
  healthCheckNodePort: 0,
  publishNotReadyAddresses: false,
})

const slice = (at: number, generation = 0): EndpointSlice => ({
  kind: 'EndpointSlice',
  metadata: {
    name: `service-${at}-abcde`,
    namespace: namespaceOf(at),
    labels: { [SERVICE_NAME_LABEL]: `service-${at}` },
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  endpoints: Array.from({ length: endpointCount }, (_, endpoint) => ({
    addresses: [`172.${16 + generation}.${(at >> 8) & 255}.${(at + endpoint) & 255}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'node-1',
  })),
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
  Array.from({ length: serviceCount }, (_, at) => service(at)),
)
store.replaceAll(
  'EndpointSlice',
  Array.from({ length: serviceCount }, (_, at) => slice(at)),
)
const storeMs = performance.now() - beganMs
const withStore = memory()

beganMs = performance.now()
const names = new ClusterNames({ store, options, clock: systemClock, onChange: () => undefined })
await names.firstSync
const indexMs = performance.now() - beganMs
const withIndex = memory()

const addressOf = (at: number): unknown => {
  const label = slice(at, 1).endpoints[0]?.addresses[0]?.replaceAll('.', '-')
  const name = `${label}.service-${at}.${namespaceOf(at)}.svc.cluster.local.`
  const question = { name, type: 'A', zone: 'cluster.local.' }
  return lookup(names.index, zoneOptions, question).kind === 'answer'
}

const latencies: number[] = []
for (let change = 0; change < CHANGES; change++) {
  const at = (change * 7919) % serviceCount
  const after = slice(at, 1)
  beganMs = performance.now()
  store.set('EndpointSlice', after)
  while (!addressOf(at)) await nextTurn()
  latencies.push(performance.now() - beganMs)
}
latencies.sort((a, b) => a - b)
const percentile = (share: number) =>
  `${latencies[Math.floor(share * (CHANGES - 1))]?.toFixed(3)} ms`

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
