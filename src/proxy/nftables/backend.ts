import assert from 'node:assert'
import { NftError, type NftWriter } from '#linux/nft.ts'
import type { NftTable } from '#linux/nft-listing.ts'
import type { ForeignChange } from '#linux/nft-monitor.ts'
import type { readNftCounters } from '#linux/nft-reader.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import type { Clock } from '#runtime/clock.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend, ServiceStates, ServiceTraffic } from '../backend.ts'
import { guardTable, type TableWatch } from '../foreign-changes.ts'
import { affinityMaps, rememberedIn, renderForgetting } from './affinity.ts'
import { type Changes, isEmpty } from './element.ts'
import { type LayoutOptions, renderLayout } from './layout.ts'
import { NftPlan } from './plan.ts'
import { type Recovered, recover } from './recover.ts'
import { balancedProtocols, renderAll, renderLater, renderNow, renderRemoval } from './render.ts'
import { type OwnNode, type PortRules, portRules } from './route.ts'
import type { Table } from './table.ts'
import { counting, sumTraffic } from './traffic.ts'
import { unclaimedRules } from './unclaimed.ts'

export type NftablesOptions = LayoutOptions & {
  readonly node: OwnNode
  /** The ranges of cluster IPs as they are now. */
  readonly serviceCIDRs: () => readonly IpPrefix[]
  readonly writer: NftWriter
  readonly list: (table: Table, signal: AbortSignal) => Promise<NftTable | undefined>
  /** The elements of one map of the table. */
  readonly listMap: (table: Table, map: string, signal: AbortSignal) => Promise<MapElements>
  readonly listCounters: typeof readNftCounters
  readonly watch: TableWatch
  readonly clock: Clock
}

type MapElements = ReadonlyMap<string, string>

const FORGETTING_ATTEMPTS = 3

/**
 * Service rules as elements of one table, see README.md. The kernel is listed in {@link replace} only; otherwise it is
 * known from what was written. But who is remembered only the kernel knows.
 */
export class NftablesBackend implements Backend {
  readonly name = 'nftables'
  readonly #options: NftablesOptions
  #plan: NftPlan | undefined
  /** Somebody touched more than elements. A listing shows chains and rules, not all that can be changed of a table. */
  #isLayoutSuspect = false

  constructor(options: NftablesOptions) {
    this.#options = options
  }

  async replace(all: ServiceStates, signal: AbortSignal): Promise<void> {
    const { table, list } = this.#options
    this.#plan = undefined
    const layout = renderLayout(this.#options)
    const isSuspect = this.#isLayoutSuspect
    this.#isLayoutSuspect = false
    try {
      const listed = await list(table, signal)
      const kernel = isSuspect ? undefined : recover(table.family, listed, layout)
      if (kernel === undefined) this.#plan = await this.#makeAnew(all, layout.text, signal)
      else this.#plan = await this.#adjust(all, kernel, signal)
    } catch (error) {
      this.#isLayoutSuspect ||= isSuspect
      throw error
    }
  }

  /**
   * All in one transaction, so without a gap: there is no table, or one of another layout (of other settings or another
   * version), or one that somebody changed.
   */
  async #makeAnew(all: ServiceStates, layout: string, signal: AbortSignal): Promise<NftPlan> {
    const { table, writer } = this.#options
    const plan = NftPlan.empty()
    const pace = new Pace()
    for (const [service, rules] of this.#rules(all)) {
      plan.add(service, rules)
      await pace.breathe()
    }
    const { chains, elements } = plan.whole()
    const pieces = function* () {
      yield renderRemoval(table) + layout
      yield* renderAll(table, chains, elements)
    }
    await writer.apply(pieces(), signal)
    return plan
  }

  async #adjust(all: ServiceStates, kernel: Recovered, signal: AbortSignal): Promise<NftPlan> {
    const rules = new Map<string, readonly PortRules[]>()
    const pace = new Pace()
    for (const [service, ports] of this.#rules(all)) {
      rules.set(service, ports)
      await pace.breathe()
    }
    const { plan, changes } = await NftPlan.adopt(rules, kernel)
    await this.#write(changes, signal)
    for (const protocol of balancedProtocols) {
      const maps = affinityMaps(this.#options.table.family, protocol)
      const isAnyKnown = maps.some(({ name }) => kernel.filled.has(name))
      if (isAnyKnown) await this.#forget(plan, protocol, signal)
    }
    return plan
  }

  async update(changed: ServiceStates, signal: AbortSignal): Promise<void> {
    const plan = this.#plan
    assert(plan !== undefined, 'an update follows a successful call')
    // Until it is written nobody knows what the kernel holds.
    this.#plan = undefined
    const changes = plan.update(new Map(this.#rules(changed)))
    await this.#write(changes, signal)
    for (const protocol of changes.forgetful) await this.#forget(plan, protocol, signal)
    this.#plan = plan
  }

  async guard(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
    const { watch, clock } = this.#options
    const onChange = ({ reason, isElementsOnly }: ForeignChange) => {
      this.#isLayoutSuspect ||= !isElementsOnly
      lost(reason)
    }
    await guardTable({ watch, clock, onChange }, signal)
  }

  async serviceCounters(signal: AbortSignal): Promise<ReadonlyMap<string, ServiceTraffic>> {
    const { table, listCounters } = this.#options
    const listings = await Promise.all(
      counting.map(async place => [place, await listCounters(table, place, signal)] as const),
    )
    return sumTraffic(this.#plan?.owners() ?? [], listings)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.watch[Symbol.dispose]()
    this.#options.writer[Symbol.dispose]()
  }

  *#rules(states: ServiceStates): Generator<readonly [string, readonly PortRules[]]> {
    yield unclaimedRules(this.#options.serviceCIDRs())
    for (const [service, ports] of states) {
      yield [service, ports.map(port => portRules(port, this.#options.node))]
    }
  }

  async #write(changes: Changes, signal: AbortSignal): Promise<void> {
    const { table, writer } = this.#options
    if (isEmpty(changes)) return
    const texts = [renderNow(table, changes), renderLater(table, changes)]
    for (const text of texts) if (text !== '') await writer.apply(text, signal)
  }

  /**
   * Makes clients forget endpoints that their routes no longer have, in transactions of their own: one is refused when a
   * client has got another endpoint since the listing.
   */
  async #forget(plan: NftPlan, protocol: Protocol, signal: AbortSignal): Promise<void> {
    const { table, writer, listMap } = this.#options
    const maps = affinityMaps(table.family, protocol)
    for (let attempt = 1; ; attempt++) {
      const listings = maps.map(({ name }) => listMap(table, name, signal))
      const clients = plan.outdated(protocol, rememberedIn(await Promise.all(listings)))
      try {
        for (const text of renderForgetting(table, protocol, clients)) {
          await writer.apply(text, signal)
        }
        return
      } catch (error) {
        if (!(error instanceof NftError) || attempt === FORGETTING_ATTEMPTS) throw error
      }
    }
  }
}
