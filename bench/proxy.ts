// How fast the service proxy programs the kernel: `scripts/in-namespace.sh node bench/proxy.ts [SERVICES] [ROUNDS]`.
// A round is a process of its own on an empty kernel: all Services from nothing, a restart on what is there, then
// single endpoint changes. Time runs from the objects being in the store to the transaction being committed.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { type EndpointSlice, SERVICE_NAME_LABEL, type Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { parsePrefix } from '#net/prefix.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { cleanupProxy, runProxy } from '../src/proxy/main.ts'
import { endpoint, service, slice } from '../test/helper/cluster.ts'
import { quantile, timed } from './measure.ts'

const CHANGES = 400

type Round = {
  readonly startMs: number
  readonly restartMs: number
  readonly addMs: readonly number[]
  readonly removeMs: readonly number[]
  readonly rssMiB: number
}

const ip = (base: string, index: number) => `${base}.${index >> 8}.${index & 255}`

const serviceOf = (index: number): Service =>
  service({ name: `s${index}`, clusterIP: ip('10.96', index), ipFamilies: [4] })

const sliceOf = (index: number, addresses: readonly string[]): EndpointSlice =>
  slice({
    name: `s${index}-x`,
    labels: { [SERVICE_NAME_LABEL]: `s${index}` },
    // One in a hundred pods is on this node.
    endpoints: addresses.map(address => endpoint(address, { nodeName: `node-${index % 100}` })),
  })

/** A proxy on this store; `programmed` resolves when the kernel has all that is in it. */
function startProxy(store: Store) {
  const stop = new AbortController()
  let notify = () => {}
  let reached = -1
  const ended = runProxy(
    {
      store,
      settings: {
        nodeName: 'node-1',
        families: [4, 6],
        clusterCIDRs: [parsePrefix('10.244.0.0/16') as never],
        masqueradeAll: false,
        nodePortAddresses: [],
      },
      log: silentLogger(),
      metrics: createMetrics(),
      onProgrammed({ family, revision }) {
        if (family === 4) reached = revision
        notify()
      },
    },
    stop.signal,
  )
  return {
    programmed: () =>
      new Promise<void>(resolve => {
        notify = () => {
          if (reached >= store.revision) resolve()
        }
        notify()
      }),
    async stop() {
      stop.abort()
      await ended
    },
  }
}

/** One connection through the last Service: the numbers are of rules that work. */
async function checkReachable(services: number): Promise<void> {
  const server = createServer(socket => socket.end('ok'))
  await once(server.listen(8080, '127.0.0.1'), 'listening')
  const socket = connect({ host: ip('10.96', services - 1), port: 80, timeout: 2000 })
  await once(socket, 'connect')
  socket.destroy()
  server.close()
}

async function round(services: number): Promise<Round> {
  await cleanupProxy(silentLogger(), new AbortController().signal)
  const store = new Store()
  const pod = (index: number, number: number) => ip(`10.${128 + number}`, index)
  const objects = Array.from({ length: services }, (_, index) => index)
  store.replaceAll('Service', objects.map(serviceOf))
  store.replaceAll(
    'EndpointSlice',
    objects.map(index =>
      sliceOf(index, index === services - 1 ? ['127.0.0.1'] : [pod(index, 0), pod(index, 1)]),
    ),
  )
  const first = startProxy(store)
  const startMs = await timed(first.programmed)
  await checkReachable(services)
  await first.stop()
  const proxy = startProxy(store)
  const restartMs = await timed(proxy.programmed)
  const addMs: number[] = []
  const removeMs: number[] = []
  for (let change = 0; change < CHANGES; change++) {
    const index = (Math.floor(change / 2) * 37) % (services - 1)
    const add = change % 2 === 0
    const pods = [pod(index, 0), pod(index, 1), ...(add ? [pod(index, 2)] : [])]
    store.set('EndpointSlice', sliceOf(index, pods))
    ;(add ? addMs : removeMs).push(await timed(proxy.programmed))
  }
  const rssMiB = process.memoryUsage.rss() / 2 ** 20
  await proxy.stop()
  return { startMs, restartMs, addMs, removeMs, rssMiB }
}

function report(name: string, unit: string, values: readonly number[]): void {
  const [low, middle, high] = [0, 0.5, 1].map(share => quantile(values, share).toFixed(1))
  console.log(`${name.padEnd(44)} ${middle} ${unit} (${low} – ${high}, ${values.length} rounds)`)
}

const [services = '10000', rounds = '5', mode] = process.argv.slice(2)
if (mode === 'round') {
  console.log(JSON.stringify(await round(Number(services))))
} else {
  // The node needs some route to the cluster IPs, else its own connections end before any rule.
  execFileSync('ip', ['route', 'add', '10.96.0.0/12', 'dev', 'lo'])
  const results = Array.from({ length: Number(rounds) }, () => {
    const args = [process.argv[1] as string, services, rounds, 'round']
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Round
  })
  console.log(`${services} Services × 2 endpoints, median (lowest – highest) of rounds`)
  report(
    'from nothing to programmed',
    'ms',
    results.map(r => r.startMs),
  )
  report(
    'restart on rules that are right',
    'ms',
    results.map(r => r.restartMs),
  )
  for (const share of [0.5, 0.99]) {
    const name = `p${share * 100}`
    report(
      `an endpoint added, ${name}`,
      'ms',
      results.map(r => quantile(r.addMs, share)),
    )
    report(
      `an endpoint removed, ${name}`,
      'ms',
      results.map(r => quantile(r.removeMs, share)),
    )
  }
  report(
    'memory of the process',
    'MiB',
    results.map(r => r.rssMiB),
  )
}
