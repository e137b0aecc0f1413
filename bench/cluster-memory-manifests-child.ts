import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { manifestSource } from '#cluster/manifests/source.ts'
import type { Kind } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { createLogger } from '#runtime/log.ts'
import { keepHeapSmall } from '#runtime/memory.ts'
import type { MemoryResult } from './cluster-memory-manifests.ts'
import { residentMiB } from './measure.ts'

// Loads the directory named on the command line as an agent would, and prints what that took.
const directory = process.argv[2] ?? '.'
const kinds = ['Service', 'EndpointSlice', 'Node', 'Namespace'] as const satisfies readonly Kind[]

keepHeapSmall()
const store = new Store()
const abort = new AbortController()
const delay = monitorEventLoopDelay({ resolution: 1 })
using feed = store.feed(kinds)
delay.enable()
const start = performance.now()
const wanted = Object.fromEntries(kinds.map(kind => [kind, {}]))
const source = manifestSource(directory, { wanted, log: await createLogger('warn', false) })
const run = source.run(store, abort.signal)
while ((await feed.next(abort.signal))?.synced === false) {
  // A consumer takes what comes and waits for all of it.
}
const loadMs = performance.now() - start
delay.disable()
await sleep(2000)
const result: MemoryResult = {
  services: [...store.list('Service')].length,
  slices: [...store.list('EndpointSlice')].length,
  loadMs: Math.round(loadMs),
  longestPauseMs: Math.round(delay.max / 1e6),
  rssMiB: await residentMiB('VmRSS'),
  peakMiB: await residentMiB('VmHWM'),
}
console.log(JSON.stringify(result))
abort.abort()
await run
