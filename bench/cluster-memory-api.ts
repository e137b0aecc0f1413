import { spawn } from 'node:child_process'
import { on } from 'node:events'
import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { apiServerSource } from '#cluster/api/source.ts'
import { Store } from '#cluster/store.ts'
import { createLogger } from '#runtime/log.ts'

/**
 * What a whole cluster costs a process that reads it from an API server: `node bench/cluster-memory-api.ts [SERVICES]
 * [ENDPOINTS]`, 10,000 Services and EndpointSlices × 2 endpoints when not given. The server is another process. Prints one
 * line of JSON: MiB resident at start, at the peak, a while after the sync, and after listing everything once more.
 */
const [services = '10000', endpoints = '2'] = process.argv.slice(2)

const MIB_KIB = 1024

/** A field of /proc/self/status, in MiB. */
async function residentMiB(field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8')
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
  return Math.round(Number(kib) / MIB_KIB)
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Starts the server and gives the kubeconfig it prints. */
async function startServer() {
  const program = new URL('./api-cluster-server.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, services, endpoints], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  for await (const [line] of on(createInterface(child.stdout), 'line')) {
    return { kubeconfig: String(line), stop: () => child.stdin.end() }
  }
  throw new Error('the server said nothing')
}

/** Fills a store; resolves with the milliseconds until it was complete. */
async function load(kubeconfig: string, store: Store, signal: AbortSignal): Promise<number> {
  const begin = performance.now()
  const log = await createLogger('warn', false)
  const wanted = { Service: {}, EndpointSlice: {} }
  const source = await apiServerSource({ kubeconfig, env: {} }, { wanted, log })
  const feed = store.feed(['Service', 'EndpointSlice'])
  void source.run(store, signal)
  while ((await feed.next(signal))?.synced !== true);
  return Math.round(performance.now() - begin)
}

const { kubeconfig, stop } = await startServer()
const store = new Store()
const startMiB = await residentMiB('VmRSS')
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const first = new AbortController()
const syncMs = await load(kubeconfig, store, first.signal)
delay.disable()
await pause(2_000)
const steadyMiB = await residentMiB('VmRSS')
// The same store again, as after 410: everything is compared with what is stored.
first.abort()
const second = new AbortController()
await load(kubeconfig, store, second.signal)
await pause(2_000)
second.abort()
stop()
console.log(
  JSON.stringify({
    services: [...store.list('Service')].length,
    slices: [...store.list('EndpointSlice')].length,
    syncMs,
    longestBlockMs: Math.round(delay.max / 1e6),
    p99BlockMs: Math.round(delay.percentile(99) / 1e5) / 10,
    startMiB,
    steadyMiB,
    againMiB: await residentMiB('VmRSS'),
    peakMiB: await residentMiB('VmHWM'),
  }),
)
