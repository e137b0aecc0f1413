import type { HttpAnswer, HttpRoutes } from '#runtime/http-server.ts'

const DEFAULT_SECONDS = 10
const MAX_SECONDS = 60
/** The longest an answer takes, with what the profile costs to write. */
export const PROFILE_TIMEOUT_MS = (MAX_SECONDS + 30) * 1000

/**
 * Node's profiles at the paths of Go's: `/debug/pprof/profile` a .cpuprofile, `/debug/pprof/heap` a sampling .heapprofile, both
 * over `?seconds=N` and for Chrome's DevTools. One at a time: a profile costs time and memory.
 */
export function profilingRoutes(): HttpRoutes {
  let isBusy = false
  const route =
    (record: Recorder) =>
    async (query: URLSearchParams): Promise<HttpAnswer> => {
      const seconds = Number(query.get('seconds') ?? DEFAULT_SECONDS)
      if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
        return { status: 400, body: `seconds must be above 0, at most ${MAX_SECONDS}\n` }
      }
      if (isBusy) return { status: 429, body: 'another profile is being made\n' }
      isBusy = true
      try {
        const profile = JSON.stringify(await record(seconds * 1000))
        return { status: 200, body: profile, contentType: 'application/json' }
      } finally {
        isBusy = false
      }
    }
  return {
    '/debug/pprof/': () => ({ status: 200, body: 'profile?seconds=N\nheap?seconds=N\n' }),
    '/debug/pprof/profile': route(cpuProfile),
    '/debug/pprof/heap': route(heapProfile),
  }
}

type Recorder = (ms: number) => Promise<unknown>

const cpuProfile: Recorder = async ms => {
  using session = await connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  await pause(ms)
  return (await session.post('Profiler.stop')).profile
}

const heapProfile: Recorder = async ms => {
  using session = await connect()
  await session.post('HeapProfiler.startSampling')
  await pause(ms)
  return (await session.post('HeapProfiler.stopSampling')).profile
}

/** The inspector is loaded for those who profile. */
async function connect() {
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  return Object.assign(session, { [Symbol.dispose]: () => session.disconnect() })
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
