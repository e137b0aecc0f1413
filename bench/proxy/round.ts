import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '#cluster/store.ts'
import { parsePrefix } from '#net/prefix.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { cleanupProxy, runProxy } from '../../src/proxy/main.ts'
import type { ProxyMode } from '../../src/proxy/settings.ts'
import { timed } from '../measure.ts'
import { clusterIP, clusterOf, podIP, probePorts, sliceOf } from './cluster.ts'
import { changeKubeShape, loadKubeShape } from './kube-shape.ts'
import { connectionCost, Prober } from './prober.ts'

const CHANGES = 200
const CHURN_TICK_MS = 10

export type RoundOptions = {
  readonly services: number
  /** `kube-shape`: a kube-proxy-shaped ruleset loaded by nft. */
  readonly backend: ProxyMode | 'kube-shape'
  /** Of a thousand endpoint changes a second. */
  readonly churnSeconds: number
}

/** Milliseconds, but for what its name says. */
export type Round = {
  readonly startMs: number
  readonly changeMs: readonly number[]
  readonly costUs: number
  /** Of an address without a Service. */
  readonly baseCostUs: number
  readonly restartMs?: number
  readonly rssMiB?: number
  readonly maxLagMs?: number
  readonly cpuPercent?: number
}

/** All of it once, from an empty kernel, in this process. */
export const runRound = (options: RoundOptions): Promise<Round> =>
  options.backend === 'kube-shape'
    ? kubeShapeRound(options.services)
    : proxyRound({ ...options, mode: options.backend })

async function kubeShapeRound(services: number): Promise<Round> {
  using prober = await Prober.start(clusterIP(services))
  const startMs = await timed(async () => {
    loadKubeShape(services)
    await prober.reaches(probePorts[0])
  })
  const changeMs: number[] = []
  for (let number = 1; number <= CHANGES / 10; number++) {
    const port = probePorts[number % 2] as number
    const change = async () => {
      changeKubeShape(services, port)
      await prober.reaches(port)
    }
    changeMs.push(await timed(change))
  }
  return { startMs, changeMs, ...costs() }
}

async function proxyRound({
  services,
  mode,
  churnSeconds,
}: RoundOptions & { mode: ProxyMode }): Promise<Round> {
  await cleanupProxy(silentLogger(), new AbortController().signal)
  const store = clusterOf(services)
  using prober = await Prober.start(clusterIP(services))
  const first = startProxy(store, mode)
  const startMs = await timed(() => prober.reaches(probePorts[0]))
  await first.programmed()
  await first.stop()
  const proxy = startProxy(store, mode)
  const restartMs = await timed(proxy.programmed)
  const changeMs: number[] = []
  for (let change = 1; change <= CHANGES; change++) {
    const port = probePorts[change % 2] as number
    store.set('EndpointSlice', sliceOf(services, ['127.0.0.1'], port))
    changeMs.push(await timed(() => prober.reaches(port)))
  }
  const cost = costs()
  const churned =
    churnSeconds > 0 ? await churn({ store, services, seconds: churnSeconds, proxy }) : {}
  const rssMiB = process.memoryUsage.rss() / 2 ** 20
  await proxy.stop()
  return { startMs, restartMs, changeMs, ...cost, ...churned, rssMiB }
}

const costs = () => ({
  costUs: connectionCost(clusterIP(0)),
  baseCostUs: connectionCost('10.95.0.1'),
})

type Proxy = ReturnType<typeof startProxy>

/** A proxy on this store; `programmed` resolves when the kernel has all that is in it. */
function startProxy(store: Store, mode: ProxyMode) {
  const stop = new AbortController()
  let notify = () => {}
  let reached = -1
  const ended = runProxy(
    {
      store,
      settings: {
        nodeName: 'node-1',
        mode,
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
    reached: () => reached,
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

/** A thousand endpoint changes a second: how far the kernel lags behind at most, and what that costs. */
async function churn({
  store,
  services,
  seconds,
  proxy,
}: {
  readonly store: Store
  readonly services: number
  readonly seconds: number
  readonly proxy: Proxy
}) {
  const waiting: { revision: number; sinceMs: number }[] = []
  let maxLagMs = 0
  const settle = () => {
    while (waiting[0] !== undefined && waiting[0].revision <= proxy.reached()) {
      maxLagMs = Math.max(maxLagMs, performance.now() - waiting[0].sinceMs)
      waiting.shift()
    }
  }
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  let changes = 0
  while (performance.now() - startMs < seconds * 1000) {
    const due = (performance.now() - startMs) | 0
    for (; changes < due; changes++) {
      const index = (changes * 37) % services
      const pods = [podIP(index, 0), podIP(index, 1), podIP(index, 2)]
      store.set('EndpointSlice', sliceOf(index, pods.slice(0, 1 + (changes % 3))))
    }
    waiting.push({ revision: store.revision, sinceMs: performance.now() })
    await sleep(CHURN_TICK_MS)
    settle()
  }
  const { user, system } = process.cpuUsage(cpu)
  const cpuPercent = (user + system) / 10 / (performance.now() - startMs)
  await proxy.programmed()
  settle()
  return { maxLagMs, cpuPercent }
}
