import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiServerSource } from '#cluster/api/source.ts'
import { Store } from '#cluster/store.ts'
import { createLogger } from '#runtime/log.ts'
import { keepHeapSmall } from '#runtime/memory.ts'
import type { ApiMemoryResult } from './cluster-memory-api.ts'
import { residentMiB } from './measure.ts'

// The measured process: reads a cluster, rests, reads it once more, and prints what that took.
keepHeapSmall()
const [kubeconfig = ''] = process.argv.slice(2)
/** Timers are late by this even in a process at rest. */
const RESOLUTION_MS = 1

/** Fills the store and stops; resolves with the milliseconds until it was complete. */
async function load(store: Store): Promise<number> {
  const begin = performance.now()
  const stop = new AbortController()
  const log = await createLogger('warn', false)
  const wanted = { Service: {}, EndpointSlice: {} }
  const source = await apiServerSource({ kubeconfig, env: {} }, { wanted, log })
  using feed = store.feed(['Service', 'EndpointSlice'])
  let listed = 0
  const writer = {
    get: store.get.bind(store),
    set: store.set.bind(store),
    delete: store.delete.bind(store),
    replaceAll: (...list: Parameters<Store['replaceAll']>) => {
      store.replaceAll(...list)
      listed++
    },
  }
  const done = source.run(writer, stop.signal)
  // A consumer that keeps up, so that changes do not pile up.
  while (listed < 2) {
    feed.take()
    await sleep(5)
  }
  const durationMs = Math.round(performance.now() - begin)
  stop.abort()
  await done
  return durationMs
}

const store = new Store()
const startMiB = await residentMiB('VmRSS')
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()
const loadMs = await load(store)
delay.disable()
await sleep(2_000)
const rssMiB = await residentMiB('VmRSS')
const againMs = await load(store)
await sleep(2_000)
const result: ApiMemoryResult = {
  services: [...store.list('Service')].length,
  slices: [...store.list('EndpointSlice')].length,
  loadMs,
  longestPauseMs: Math.round(delay.max / 1e6) - RESOLUTION_MS,
  startMiB,
  rssMiB,
  againMs,
  againMiB: await residentMiB('VmRSS'),
  peakMiB: await residentMiB('VmHWM'),
}
console.log(JSON.stringify(result))
