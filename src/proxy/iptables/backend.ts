import assert from 'node:assert'
import type { Iptables } from '#linux/iptables.ts'
import type { Clock } from '#runtime/clock.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend, ServiceStates } from '../backend.ts'
import type { ServicePortState } from '../change-tracker.ts'
import type { ChainState } from './chain-state.ts'
import {
  CANARY,
  constantChains,
  type FixedOptions,
  guardRules,
  jumpRules,
  type NodePortAddresses,
  nodePortTail,
  type SharedRule,
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

/** How often even large rulesets are compared (kube-proxy writes everything anew as often), milliseconds. */
const COMPARE_PERIOD_MS = 3_600_000

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
  /** Chains that were not as written when they were compared, and what they held. */
  #differing: ReadonlyMap<string, ChainState | undefined> = new Map()
  /** How many writes there were. */
  #writes = 0

  constructor(options: IptablesOptions) {
    this.#options = options
  }

  async replace(all: ServiceStates, signal: AbortSignal): Promise<void> {
    this.#plan = undefined
    const saved = await this.#save(signal)
    const plan = new IptablesPlan(constantChains(this.#options), saved.chains)
    await this.#setAll(plan, all)
    plan.deleteStale(chainsUsedByOthers(saved))
    const shared = missingShared(this.#sharedRules, saved)
    await this.#write(plan, { full: true, shared }, signal)
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
   * Compares the kernel with what was written, and the addresses of this node with those in the rules. In large clusters
   * it looks, as kube-proxy does, for the empty chains that go away when somebody flushes a table, and compares hourly.
   */
  async guard(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
    const { clock, checkPeriodMs } = this.#options
    let comparedMs = clock.monotonic()
    while (!signal.aborted) {
      await clock.sleep(checkPeriodMs, signal).catch(() => {})
      const plan = this.#plan
      // While something is written, or after a failure, everything is looked at soon anyway.
      if (signal.aborted || plan === undefined) continue
      const isDue = clock.monotonic() - comparedMs >= COMPARE_PERIOD_MS
      const compares = isDue || plan.endpointCount <= MAX_COMMENTED_ENDPOINTS
      if (compares) comparedMs = clock.monotonic()
      const check = compares ? this.#difference(plan, signal) : this.#missingCanary(signal)
      // What cannot be read now is read the next time, or written and then complained of.
      const reason = (await check.catch(() => undefined)) ?? this.#addressChange()
      if (reason !== undefined) lost(reason)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #difference(plan: IptablesPlan, signal: AbortSignal): Promise<string | undefined> {
    const writes = this.#writes
    const saved = await this.#save(signal)
    // What was read is of no use when something was written meanwhile.
    if (this.#plan !== plan || this.#writes !== writes) return undefined
    const [chain] = this.#news(plan.differencesFrom(saved.chains))
    if (chain !== undefined) return `chain ${chain} is not as it was written`
    const [jump] = missingShared(this.#sharedRules, saved).rules
    return jump && `a rule is gone: -t ${jump.table} ${jump.chain} ${jump.rule}`
  }

  /**
   * The chains that differ in another way than at the last look. What differs in the same way although it was written
   * again is right: another version of iptables prints rules in other words.
   */
  #news(differences: ReturnType<IptablesPlan['differencesFrom']>): readonly string[] {
    const former = this.#differing
    this.#differing = new Map(differences)
    const isNew = ([chain, state]: (typeof differences)[number]) =>
      state === undefined || former.get(chain) !== state
    return differences.filter(isNew).map(([chain]) => chain)
  }

  async #missingCanary(signal: AbortSignal): Promise<string | undefined> {
    for (const table of tables) {
      const isThere = await this.#options.iptables.hasChain(table, CANARY, signal)
      if (isThere === false) return `chain ${table} ${CANARY} is gone`
    }
    return undefined
  }

  #addressChange(): string | undefined {
    const isSame = String(this.#options.nodePortAddresses()) === this.#addresses
    return isSame || this.#plan === undefined ? undefined : 'the addresses of the node changed'
  }

  get #sharedRules(): readonly SharedRule[] {
    return this.#options.hasLocalhostNodePorts ? [...jumpRules, ...guardRules] : jumpRules
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
    this.#writes++
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
