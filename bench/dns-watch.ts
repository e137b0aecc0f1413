import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { TestApiServer } from '../test/helper/api-server.ts'
import { eventually } from '../test/helper/eventually.ts'
import { RunningServer } from './dns-servers.ts'
import { Stub } from './dns-stub.ts'
import { quantile } from './measure.ts'
import { managedFields, rawService, rawSlice } from './raw-cluster.ts'

// The built `nodeplane dns` beside an API server: its memory with a large cluster, and the time from an event of the watch to the
// changed answer by UDP, also where there was none (NXDOMAIN); on a shared machine beside the time that it got no core. Needs scripts/build.
// Run: scripts/in-namespace.sh node bench/dns-watch.ts [--services N] [--endpoints N] [--pods N] [--changes N]

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    endpoints: { type: 'string', default: '2' },
    /** Pods of the cluster, which `pods verified` reads. */
    pods: { type: 'string', default: '0' },
    changes: { type: 'string', default: '500' },
    dist: { type: 'string', default: join(import.meta.dirname, '../dist') },
  },
})
const [services, endpoints, pods, changes] = [
  values.services,
  values.endpoints,
  values.pods,
  values.changes,
].map(Number) as [number, number, number, number]

const PORT = 5301
/** Loading may take so long. */
const LOAD_MS = 120_000
/** After loading, for what is left to be collected. */
const REST_MS = 3_000
const shape = { endpoints, ports: ['http', 'metrics'] }
const HEADLESS = 100
/** A change during which the machine was not too busy to say something. */
const CALM_MS = 2

/** With the fields of real objects that are thrown away. */
const managed = <T extends { readonly metadata: object }>(object: T) => ({
  ...object,
  metadata: { ...object.metadata, managedFields: managedFields('kubectl') },
})

const podOf = (at: number) => ({
  metadata: {
    name: `pod-${at}`,
    namespace: `team-${at % 50}`,
    labels: { app: `app-${at % 1000}` },
  },
  spec: { nodeName: `node-${at % 1000}`, containers: [{ name: 'main', image: 'app:1' }] },
  status: { phase: 'Running', podIP: podAddress(at), podIPs: [{ ip: podAddress(at) }] },
})
const podAddress = (at: number) => `11.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`

const headlessName = (at: number) => `headless-${at}.team-0.svc.cluster.local.`
function setHeadless(server: TestApiServer, at: number, address: string): void {
  const service = rawService(at, shape)
  const metadata = { ...service.metadata, name: `headless-${at}`, namespace: 'team-0' }
  const spec = { ...service.spec, clusterIP: 'None', clusterIPs: ['None'] }
  const slice = rawSlice(at, { ...shape, endpoints: 1 })
  const labels = { ...slice.metadata.labels, 'kubernetes.io/service-name': metadata.name }
  const [endpoint] = slice.endpoints
  server.set('Service', managed({ ...service, metadata, spec }))
  server.set('EndpointSlice', {
    ...slice,
    metadata: { ...slice.metadata, name: `${metadata.name}-a`, namespace: 'team-0', labels },
    endpoints: [{ ...endpoint, addresses: [address] }],
  })
}

/** Between two questions, so that asking does not take the core that the change needs. */
const PAUSE_MS = 1

/** Milliseconds until an answer is as wanted, asked again and again: up to {@link PAUSE_MS} and a round trip too many. */
async function until(stub: Stub, name: string, isWanted: (data: readonly string[]) => boolean) {
  const beganMs = performance.now()
  for (;;) {
    const { data } = await stub.ask(name, 'A')
    if (isWanted(data)) return performance.now() - beganMs
    await sleep(PAUSE_MS)
  }
}

async function measureChanges(
  title: string,
  change: (at: number) => Promise<number>,
): Promise<void> {
  const took: number[] = []
  const waited: number[] = []
  for (let at = 0; at < changes; at++) {
    const beforeMs = await dns.waitedMs()
    took.push(await change(at))
    waited.push((await dns.waitedMs()) - beforeMs)
  }
  const line = (ms: readonly number[]) => {
    const [p50, p99, most] = [0.5, 0.99, 1].map(share => quantile(ms, share).toFixed(2))
    return `p50 ${p50} p99 ${p99} most ${most} ms`
  }
  console.log(`${title}: ${changes} changes, ${line(took)}`)
  console.log(`  meanwhile its threads waited for a core: ${line(waited)}`)
  const calm = took.filter((_, at) => (waited[at] as number) < CALM_MS)
  console.log(`  where they waited less than ${CALM_MS} ms: ${calm.length} changes, ${line(calm)}`)
}

async function fill(server: TestApiServer): Promise<void> {
  for (let at = 0; at < services; at++) {
    server.set('Service', managed(rawService(at, shape)))
    server.set('EndpointSlice', managed(rawSlice(at, shape)))
  }
  for (let at = 0; at < HEADLESS; at++) setHeadless(server, at, '192.0.2.1')
  for (let at = 0; at < 50; at++) server.set('Namespace', { metadata: { name: `team-${at}` } })
  for (let at = 0; at < pods; at++) server.set('Pod', podOf(at))
  server.compact()
}

await using stack = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'nodeplane-bench-'))
stack.defer(() => rm(folder, { recursive: true }))
const server = stack.use(await TestApiServer.start({ token: 'bench' }))
await fill(server)
const conf = join(folder, 'Corefile')
const kubernetes = `kubernetes cluster.local {
    kubeconfig ${await server.writeKubeconfig()}
    pods ${pods > 0 ? 'verified' : 'disabled'}\n  }`
await writeFile(
  conf,
  `.:${PORT} {\n  bind 127.0.0.1\n  ${kubernetes}\n  cache 30\n  loadbalance\n}\n`,
)
const nodeplane = join(resolve(values.dist), 'nodeplane')
const beganMs = performance.now()
const command = [nodeplane, 'dns', '--conf', conf]
const start = { port: PORT, name: headlessName(0), limitMs: LOAD_MS }
const dns = stack.use(await RunningServer.start(command, start))
// It answers from what it has after a while: that all is there is seen by its watches.
const kinds = [
  'Service',
  'EndpointSlice',
  'Namespace',
  ...(pods > 0 ? ['Pod' as const] : []),
] as const
const isLoaded = () => kinds.every(kind => server.watchers(kind) > 0)
await eventually('all watches', isLoaded, LOAD_MS)
const startSeconds = ((performance.now() - beganMs) / 1000).toFixed(1)
await sleep(REST_MS)
const size = `${services} services × ${endpoints}, ${pods} pods`
console.log(`${size}: ${Math.round(await dns.residentMiB())} MiB, loaded after ${startSeconds} s`)

const stub = stack.use(new Stub(PORT))
await measureChanges('another address', async at => {
  const address = `198.18.${(at >> 8) & 255}.${at & 255}`
  const name = headlessName(at % HEADLESS)
  await stub.ask(name, 'A')
  setHeadless(server, at % HEADLESS, address)
  return until(stub, name, data => data.includes(address))
})
await measureChanges('from NXDOMAIN', async at => {
  const name = `headless-${HEADLESS + at}.team-0.svc.cluster.local.`
  if ((await stub.ask(name, 'A')).rcode !== 'NXDOMAIN') throw new Error(`${name} is there`)
  setHeadless(server, HEADLESS + at, '192.0.2.1')
  return until(stub, name, data => data.length > 0)
})
console.log(`afterwards ${Math.round(await dns.residentMiB())} MiB`)
