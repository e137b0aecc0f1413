import { isDeepStrictEqual } from 'node:util'
import type { Node } from '#cluster/objects.ts'
import type { Feed } from '#cluster/store.ts'
import type { Link } from '#linux/netlink/link.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { formatPrefix, parsePrefixLenient } from '#net/prefix.ts'
import type { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import { Pace } from '#runtime/pace.ts'
import { runTogether } from '#runtime/run-together.ts'
import { Trigger } from '#runtime/trigger.ts'
import { type Applied, applyPlan, listNetwork, type Network, type RoutesKernel } from './apply.ts'
import { type Members, membersOf } from './members.ts'
import type { RoutesMetrics } from './metrics.ts'
import { type Member, NodeReader } from './node-reader.ts'
import { type Plan, planRoutes } from './plan.ts'
import type { RoutesSettings } from './settings.ts'

import { TroubleLog } from './trouble-log.ts'
import { type Uplink, uplinkOf } from './uplink.ts'
import type { Watched } from './watch.ts'

/** Everything is compared at least so often, should an event have been missed. */
const RECHECK_MS = 30_000
/** Between two comparisons, so that changes which come in bursts cost one. */
const PAUSE_MS = 100

export type RunnerOptions = {
  /** Of Nodes. */
  readonly feed: Feed
  readonly settings: RoutesSettings
  readonly kernel: RoutesKernel
  readonly metrics: RoutesMetrics
  readonly log: Logger
  readonly clock: Clock
  /** Waits after a sync in which something failed. */
  readonly backoff: Backoff
  /** Why the routes are not in the kernel, or undefined when they are. */
  readonly onStatus: (whyNot: string | undefined) => void
  readonly onPlan: (plan: Plan) => void
  readonly onLoss?: LossSink | undefined
}

/**
 * Keeps the kernel like the Nodes until the signal is aborted. Every sync plans from all Nodes and compares with all that
 * is in the kernel: there is no order of events that it depends on.
 */
export class RoutesRunner {
  readonly #options: RunnerOptions
  readonly #nodes = new Map<string, Node>()
  /** The own Node as last seen: should it be deleted, the pods that are here go on. */
  #own: Node | undefined
  #isListed = false
  readonly #reader: NodeReader
  readonly #pace = new Pace()
  readonly #trigger: Trigger
  readonly #troubles: TroubleLog
  #watched: Watched = {
    links: new Set(),
    tunnels: new Set(),
    destinations: new Set(),
    isIncomplete: true,
  }
  #mtu: number | undefined
  /** What was in the kernel, all of it, after the last sync that did not fail. */
  #settled: Plan | undefined
  /** To be called when all is there again. */
  #healed: (() => void)[] = []

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#reader = new NodeReader(options.settings.clusterCIDRs)
    this.#trigger = new Trigger(options.clock)
    this.#troubles = new TroubleLog(options.log)
  }

  /** What to look at of the kernel's events; a change of it is told to {@link kernelChanged}. */
  get watched(): Watched {
    return this.#watched
  }

  kernelChanged(): void {
    this.#trigger.fire()
  }

  async run(signal: AbortSignal): Promise<void> {
    await runTogether([stop => this.#follow(stop), stop => this.#syncAll(stop)], signal)
  }

  /** Takes in the Nodes as they change. */
  async #follow(signal: AbortSignal): Promise<void> {
    for (;;) {
      const batch = await this.#options.feed.next(signal)
      if (batch === undefined) return
      for (const change of batch.changes) {
        if (change.kind !== 'Node') continue
        if (change.after === undefined) this.#nodes.delete(change.key)
        else this.#nodes.set(change.key, change.after)
      }
      this.#isListed = batch.synced
      this.#trigger.fire()
    }
  }

  async #syncAll(signal: AbortSignal): Promise<void> {
    const { backoff, clock } = this.#options
    let limitMs = RECHECK_MS
    for (;;) {
      await this.#trigger.wait(limitMs, signal)
      // Half a list of Nodes would take away the routes to the other half.
      if (!this.#isListed) continue
      if (await this.#sync(signal)) {
        backoff.reset()
        limitMs = RECHECK_MS
      } else limitMs = backoff.next()
      await clock.sleep(PAUSE_MS, signal)
    }
  }

  /** One sync; false when something is to be tried again. */
  async #sync(signal: AbortSignal): Promise<boolean> {
    const { onStatus, settings } = this.#options
    this.#own = this.#nodes.get(settings.nodeName) ?? this.#own
    if (this.#own === undefined || this.#own.podCIDRs.length === 0) {
      const what = this.#own === undefined ? 'is no such Node' : 'is no podCIDR'
      return this.#wait(`there ${what} yet: ${settings.nodeName}`)
    }
    try {
      return await this.#syncNodes(await this.#members(this.#own), signal)
    } catch (error) {
      if (signal.aborted) throw error
      const reason = describeError(error)
      this.#troubles.report([reason])
      onStatus(reason)
      return false
    }
  }

  async #members(own: Node): Promise<Members> {
    const { settings } = this.#options
    const nodes = [...new Map([...this.#nodes, [settings.nodeName, own]]).values()]
    // Thousands of Nodes that are new take long to read, and DNS answers on this thread.
    for (const node of nodes) {
      this.#reader.read(node)
      await this.#pace.breathe()
    }
    return membersOf(nodes, settings, this.#reader)
  }

  /** The own node is not known enough: nothing is touched. A change of its Node is what is waited for. */
  #wait(why: string): true {
    this.#options.onStatus(why)
    this.#troubles.report([why])
    return true
  }

  async #syncNodes({ members, refusals }: Members, signal: AbortSignal): Promise<boolean> {
    const { kernel, settings, metrics, clock } = this.#options
    const startMs = clock.monotonic()
    const network = await listNetwork(kernel.socket)
    const { uplinks, absent, homeless } = this.#whereWeAre(members, network)
    const plan = planRoutes({ settings, members, uplinks })
    const all = { ...plan, refusals: [...refusals, ...plan.refusals] }
    metrics.planned(all)
    this.#options.onPlan(all)
    const isIncomplete = homeless.length > 0
    this.#watch({ plan, uplinks, links: network.links, isIncomplete })
    const families = [...uplinks.keys(), ...absent]
    const applied = await applyPlan(kernel, { plan, families }, signal)
    // What was cut short is no failure.
    signal.throwIfAborted()
    this.#watch({ plan, uplinks, links: network.links, isIncomplete, applied })
    this.#noteLoss(plan, applied)
    this.#report({ plan: all, applied, homeless, durationMs: clock.monotonic() - startMs })
    return applied.failures.length === 0 && homeless.length === 0
  }

  /** The same plan as before, and something was to be written: somebody took it away. */
  #noteLoss(plan: Plan, { writes, failures }: Applied): void {
    if (writes > 0 && isDeepStrictEqual(this.#settled, plan)) {
      const what = `${writes} of the routes, tunnels and their settings were gone or changed`
      const healed = this.#options.onLoss?.({ what })
      if (healed !== undefined) this.#healed.push(healed)
    }
    if (failures.length > 0) return
    this.#settled = plan
    for (const healed of this.#healed.splice(0)) healed()
  }

  /**
   * The own node's uplinks, and the families in which it has no pods. A family that is neither keeps what it has: its
   * uplink may be away for a moment, or somebody may be mending the Node.
   */
  #whereWeAre(members: readonly Member[], { links, addresses }: Network) {
    const { nodeName, families } = this.#options.settings
    const wanted = familiesOfPods(this.#own?.podCIDRs ?? [])
    const uplinks = new Map<IpFamily, Uplink>()
    const homeless: string[] = []
    for (const family of families.filter(each => wanted.has(each))) {
      const own = members.find(each => each.node === nodeName && each.family === family)
      const uplink = own?.pods && uplinkOf(own.address, links, addresses)
      if (uplink !== undefined) uplinks.set(family, uplink)
      else if (own?.pods !== undefined) homeless.push(`no link has the address ${own.address}`)
      else homeless.push(`the own node has no address or podCIDR of IPv${family} that can be used`)
    }
    return { uplinks, homeless, absent: families.filter(family => !wanted.has(family)) }
  }

  #watch(state: {
    plan: Plan
    uplinks: ReadonlyMap<IpFamily, Uplink>
    links: readonly Link[]
    isIncomplete: boolean
    applied?: Applied
  }): void {
    const { plan, uplinks, links, isIncomplete, applied } = state
    const names = new Set([...uplinks.values()].map(({ link }) => link))
    const indexes = links.filter(({ name }) => names.has(name)).map(({ index }) => index)
    const tunnels = applied?.tunnels ?? this.#watched.tunnels
    this.#watched = {
      links: new Set([...indexes, ...tunnels]),
      tunnels,
      destinations: new Set(plan.routes.map(({ destination }) => formatPrefix(destination))),
      isIncomplete,
    }
  }

  #report(outcome: {
    plan: Plan
    applied: Applied
    homeless: readonly string[]
    durationMs: number
  }): void {
    const { plan, applied, homeless, durationMs } = outcome
    const { metrics, log, onStatus } = this.#options
    const { writes, failures } = applied
    metrics.synced({ durationMs, writes, failures: failures.length })
    const failed = failures.map(({ what, reason }) => `${what}: ${reason}`)
    const refused = plan.refusals.map(({ node, message }) => `node ${node}: ${message}`)
    this.#troubles.report([...homeless, ...failed, ...refused])
    onStatus([...homeless, ...failed][0])
    if (writes > 0) {
      log.info({ writes, routes: plan.routes.length, mtu: plan.mtu, durationMs }, 'routes written')
    }
    if (this.#mtu !== undefined && plan.mtu !== undefined && this.#mtu !== plan.mtu) {
      log.warn(
        { before: this.#mtu, now: plan.mtu },
        'the MTU of pods changed; those that run keep theirs',
      )
    }
    this.#mtu = plan.mtu ?? this.#mtu
  }
}

/** The families that podCIDRs are of; of a text that is none, it may be any. */
function familiesOfPods(podCIDRs: readonly string[]): ReadonlySet<IpFamily> {
  const families = podCIDRs.flatMap(text => parsePrefixLenient(text)?.family ?? ipFamilies)
  return new Set(families)
}
