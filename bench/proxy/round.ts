import { execFileSync } from 'node:child_process'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '#cluster/store.ts'
import { parsePrefix } from '#net/prefix.ts'
import { type Logger, silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { runProxy } from '../../src/proxy/main.ts'
import type { ProxyMode } from '../../src/proxy/settings.ts'
import { timed } from '../measure.ts'
import { clusterIP, clusterOf, podIP, probePorts, sliceOf, twoEndpoints } from './cluster.ts'
import {
  type Contestant,
  type ContestantName,
  contestants,
  emptyKernel,
  type Floor,
} from './contestant.ts'
import { connectionCost, Prober, packetCost } from './prober.ts'
import { ChangeTrace } from './trace.ts'

const CHANGES = 200
/** Of them, those that are told when traced. */
const TRACED = 10
/** Fewer changes where each takes long. */
const CHANGES_LIMIT_MS = 60_000
const CHURN_TICK_MS = 10
const SETTLE_MS = 3_000

export type RoundOptions = {
  readonly services: number
  readonly contestant: ContestantName
  /** kube-proxy's shape without a proxy instead of ours. */
  readonly isFloor: boolean
  /** Of a thousand endpoint changes a second. */
  readonly churnSeconds: number
  /** Only the cost of a connection is asked for. */
  readonly isCostOnly: boolean
  /** What the slowest changes were spent with is told on stderr. */
  readonly isTraced?: boolean
}

/** Milliseconds, but for what its name says. */
export type Round = {
  readonly startMs: number
  readonly changeMs: readonly number[]
  readonly costUs: number
  /** Of an address without a Service. */
  readonly baseCostUs: number
  /** The same of later packets of a connection: to a Service, without the rules that count its traffic, to no Service. */
  readonly packetUs?: number
  readonly uncountedPacketUs?: number
  readonly basePacketUs?: number
  readonly restartMs?: number
  /** The longest that the event loop did not turn during the start. */
  readonly heldMs?: number
  /** The same for the restart. */
  readonly restartHeldMs?: number
  readonly rssMiB?: number
  readonly maxLagMs?: number
  readonly cpuPercent?: number
}

/** All of it once, from an empty kernel, in this process. */
export async function runRound(options: RoundOptions): Promise<Round> {
  const contestant: Contestant = contestants[options.contestant]
  await emptyKernel(contestant)
  using prober = await Prober.start(clusterIP(options.services))
  const { floor, mode } = contestant
  return options.isFloor && floor !== undefined
    ? await floorRound({ ...options, prober, floor })
    : await proxyRound({ ...options, prober, mode })
}

async function floorRound({
  services,
  isCostOnly,
  floor,
  prober,
}: RoundOptions & { floor: Floor; prober: Prober }): Promise<Round> {
  const startMs = await timed(async () => {
    floor.load(services)
    await prober.reaches(probePorts[0])
  })
  const change = (port: number) => floor.change(services, port)
  const changeMs = isCostOnly ? [] : await timeChanges(prober, change)
  return { startMs, changeMs, ...costs(services) }
}

async function proxyRound({
  services,
  mode,
  churnSeconds,
  isCostOnly,
  isTraced,
  prober,
}: RoundOptions & { mode: ProxyMode; prober: Prober }): Promise<Round> {
  const store = clusterOf(services)
  const held = monitorEventLoopDelay({ resolution: 1 })
  held.enable()
  const first = startProxy(store, mode)
  const startMs = await timed(() => prober.reaches(probePorts[0]))
  await first.programmed()
  held.disable()
  await first.stop()
  const heldAgain = monitorEventLoopDelay({ resolution: 1 })
  heldAgain.enable()
  using trace = isTraced ? new ChangeTrace() : undefined
  const proxy = startProxy(store, mode, trace?.log)
  const restartMs = await timed(proxy.programmed)
  heldAgain.disable()
  const change = (port: number) =>
    store.set('EndpointSlice', sliceOf(services, ['127.0.0.1'], port))
  if (!isCostOnly) await sleep(SETTLE_MS)
  const changeMs = isCostOnly ? [] : await timeChanges(prober, change, trace)
  if (trace !== undefined) process.stderr.write(trace.report(TRACED))
  const churned =
    churnSeconds > 0 ? await churn({ store, services, seconds: churnSeconds, proxy }) : {}
  const rssMiB = process.memoryUsage.rss() / 2 ** 20
  // The changes left it with one endpoint or three. Connections to few endpoints share their reply addresses, and the more
  // do, the longer conntrack looks for one that nobody has (nf_conntrack_tuple_taken): no cost of the rules.
  store.set('EndpointSlice', twoEndpoints(inTheMiddle(services)))
  await proxy.programmed()
  await proxy.stop()
  const all = { ...costs(services), ...packetCosts(services, mode) }
  const [heldMs, restartHeldMs] = [held.max / 1e6, heldAgain.max / 1e6]
  return { startMs, heldMs, restartMs, restartHeldMs, changeMs, ...all, ...churned, rssMiB }
}

/** How long it takes each change of the last Service's endpoint until a new connection reaches the new one. */
async function timeChanges(
  prober: Prober,
  change: (port: number) => void,
  trace?: ChangeTrace,
): Promise<readonly number[]> {
  const changeMs: number[] = []
  const endMs = performance.now() + CHANGES_LIMIT_MS
  for (let number = 1; number <= CHANGES && performance.now() < endMs; number++) {
    const port = probePorts[number % 2] as number
    const step = async () => {
      change(port)
      await prober.reaches(port)
    }
    changeMs.push(await (trace === undefined ? timed(step) : trace.change(step)))
  }
  return changeMs
}

/** For rules that are gone through one by one. */
const inTheMiddle = (services: number): number => services >> 1

/** Of the Service in the middle. */
const costs = (services: number) => ({
  costUs: connectionCost(clusterIP(inTheMiddle(services))),
  baseCostUs: connectionCost('10.95.0.1'),
})

/** With the proxy gone, which would repair what is taken from its rules here. */
function packetCosts(services: number, mode: ProxyMode) {
  const address = clusterIP(inTheMiddle(services))
  const counted = { packetUs: packetCost(address), basePacketUs: packetCost('10.95.0.1') }
  if (mode !== 'nftables') return counted
  execFileSync('nft', ['flush', 'chain', 'ip', 'nodeplane', 'count'])
  return { ...counted, uncountedPacketUs: packetCost(address) }
}

type Proxy = ReturnType<typeof startProxy>

/** A proxy on this store; `programmed` resolves when the kernel has all that is in it. */
function startProxy(store: Store, mode: ProxyMode, log: Logger = silentLogger()) {
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
      log,
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
