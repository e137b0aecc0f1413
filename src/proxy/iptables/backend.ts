import assert from 'node:assert'
import type { Iptables } from '#linux/iptables.ts'
import type { Clock } from '#runtime/clock.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend, ServiceStates } from '../backend.ts'
import type { ServicePortState } from '../change-tracker.ts'
import {
  CANARY,
  constantChains,
  type FixedOptions,
  guardRules,
  jumpRules,
  type NodePortAddresses,
  nodePortTail,
  tables,
} from './fixed.ts'
import type { IptablesMetrics } from './metrics.ts'
import { type Changes, IptablesPlan } from './plan.ts'
import { type PortRulesOptions, portRules } from './port-rules.ts'
import { chainsUsedByOthers, isOwnChain } from './removal.ts'
import { missingShared, renderRestore, type SharedChanges, writtenRules } from './render.ts'
import { parseSaved, type Saved } from './saved.ts'

export type IptablesOptions = PortRulesOptions &
  FixedOptions & {
    readonly iptables: Iptables
    /** The addresses of this node that answer on node ports, as they are now. */
    readonly nodePortAddresses: () => NodePortAddresses
    readonly metrics: IptablesMetrics
    readonly clock: Clock
    /** How often to look whether the chains are still there, milliseconds. */
    readonly checkPeriodMs: number
  }

/** With more endpoints than these (kube-proxy's number) most rules go without a comment: it takes time and memory. */
const MAX_COMMENTED_ENDPOINTS = 1000

/**
 * Service rules as chains of iptables, shaped as kube-proxy's. The kernel is read in {@link replace} only, otherwise it is
 * known from what was written; a chain is written when its rules are other ones.
 */
export class IptablesBackend implements Backend {
  readonly name = 'iptables'
  readonly #options: IptablesOptions
  #plan: IptablesPlan | undefined
  /** Those that node ports answer on in the rules. */
  #addresses: string | undefined

  constructor(options: IptablesOptions) {
    this.#options = options
  }

  async replace(all: ServiceStates, signal: AbortSignal): Promise<void> {
    this.#plan = undefined
    const saved = await this.#save(signal)
    const plan = new IptablesPlan(constantChains(this.#options), saved.chains)
    await this.#setAll(plan, all)
    plan.deleteStale(chainsUsedByOthers(saved))
    const shared = this.#options.hasLocalhostNodePorts ? [...jumpRules, ...guardRules] : jumpRules
    await this.#write(plan, { full: true, shared: missingShared(shared, saved) }, signal)
    this.#plan = plan
  }

  async update(changed: ServiceStates, signal: AbortSignal): Promise<void> {
    const plan = this.#plan
    assert(plan !== undefined, 'an update follows a successful call')
    // Until it is written nobody knows what the kernel holds.
    this.#plan = undefined
    const pace = new Pace()
    for (const [service, ports] of changed) {
      const others = plan.endpointCount - plan.endpointsOf(service)
      this.#set(plan, [service, ports], others + countEndpoints(ports) > MAX_COMMENTED_ENDPOINTS)
      await pace.breathe()
    }
    await this.#write(plan, { full: false }, signal)
    this.#plan = plan
  }

  /**
   * Looks for the empty chain in each table that goes away when somebody flushes it, as kube-proxy does, and for new
   * addresses of this node.
   */
  async guard(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
    const { clock, checkPeriodMs } = this.#options
    while (!signal.aborted) {
      await clock.sleep(checkPeriodMs, signal).catch(() => {})
      // While something is written, or after a failure, everything is looked at soon anyway.
      if (signal.aborted || this.#plan === undefined) continue
      const reason = await this.#whatIsLost(signal).catch(() => undefined)
      if (reason !== undefined) lost(reason)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #whatIsLost(signal: AbortSignal): Promise<string | undefined> {
    const { iptables, nodePortAddresses } = this.#options
    for (const table of tables) {
      const isThere = await iptables.hasChain(table, CANARY, signal)
      if (isThere === false) return `chain ${CANARY} of table ${table} is gone`
    }
    const addresses = String(nodePortAddresses())
    return addresses === this.#addresses ? undefined : 'the addresses of the node are other ones'
  }

  async #save(signal: AbortSignal): Promise<Saved> {
    const text = await this.#options.iptables.save(signal)
    return await parseSaved(text, isOwnChain, new Pace())
  }

  /**
   * All Services. Only at the end it is known whether there are too many endpoints for comments, so the states of the
   * first ones are kept until there are.
   */
  async #setAll(plan: IptablesPlan, all: ServiceStates): Promise<void> {
    const pace = new Pace()
    const held: (readonly [string, readonly ServicePortState[]])[] = []
    let endpoints = 0
    for (const state of all) {
      const count = countEndpoints(state[1])
      endpoints += count
      const isTerse = endpoints > MAX_COMMENTED_ENDPOINTS
      if (isTerse) for (const early of held.splice(0)) this.#set(plan, early, true)
      if (isTerse || count === 0) this.#set(plan, state, isTerse)
      else held.push(state)
      await pace.breathe()
    }
    for (const state of held) this.#set(plan, state, false)
  }

  #set(
    plan: IptablesPlan,
    [service, ports]: readonly [string, readonly ServicePortState[]],
    isTerse: boolean,
  ): void {
    const rules = ports.map(port => portRules(port, { ...this.#options, isTerse }))
    plan.set(service, rules, countEndpoints(ports))
  }

  async #write(
    plan: IptablesPlan,
    { full, shared }: { readonly full: boolean; readonly shared?: SharedChanges },
    signal: AbortSignal,
  ): Promise<void> {
    const { iptables, nodePortAddresses, metrics } = this.#options
    const addresses = nodePortAddresses()
    plan.setTail(nodePortTail(addresses, this.#options))
    const changes = plan.take()
    try {
      await iptables.restore(renderRestore(changes, { flavour: iptables.flavour, shared }), signal)
    } catch (error) {
      if (!signal.aborted) metrics.restoreFailed({ full })
      throw error
    }
    this.#addresses = String(addresses)
    this.#report(plan, changes)
  }

  #report(plan: IptablesPlan, changes: Changes): void {
    for (const table of ['filter', 'nat'] as const) {
      const last = writtenRules(changes, table)
      this.#options.metrics.wrote(table, { total: plan.ruleCount(table), last })
    }
  }
}

const countEndpoints = (ports: readonly ServicePortState[]): number =>
  ports.reduce((count, { allEndpoints }) => count + allEndpoints.length, 0)
