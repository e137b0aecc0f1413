import assert from 'node:assert'
import type { Iptables } from '#linux/iptables.ts'
import type { ForeignChange } from '#linux/nft-monitor.ts'
import type { Clock } from '#runtime/clock.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend, ServiceStates } from '../backend.ts'
import type { ServicePortState } from '../change-tracker.ts'
import { guardTable, type TableWatch } from '../foreign-changes.ts'
import { type ChainState, stateOf } from './chain-state.ts'
import { countEndpoints, MAX_COMMENTED_ENDPOINTS } from './endpoint-count.ts'
import {
  CANARY,
  constantChains,
  type FixedOptions,
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
import { sharedRules } from './wanted.ts'

export type IptablesOptions = PortRulesOptions &
  FixedOptions & {
    readonly iptables: Iptables
    /** The addresses of this node that answer on node ports, as they are now. */
    readonly nodePortAddresses: () => NodePortAddresses
    readonly metrics: IptablesMetrics
    readonly clock: Clock
    /** What others do to these tables; without it, chains that are lost are found periodically. */
    readonly watch: TableWatch | undefined
    /** How often to look whether the chains are still there, milliseconds. */
    readonly checkPeriodMs: number
  }

const NO_RULES = stateOf([])

/** How often even large rulesets are compared (kube-proxy writes everything anew as often), milliseconds. */
const COMPARE_PERIOD_MS = 3_600_000

/** Reading the kernel while something is written says nothing: so many attempts, with waits. */
const UNDISTURBED_ATTEMPTS = 10
const UNDISTURBED_WAIT_MS = 50

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
  /** Chains that the kernel prints in other words than they were written in, and how. */
  #reworded: ReadonlyMap<string, ChainState> = new Map()
  /** Has a comparison found differences since everything was written? */
  #isLost = false
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
    const shared = missingShared(sharedRules(this.#options), saved)
    await this.#write(plan, { full: true, shared }, signal)
    if (this.#isLost) this.#reworded = rewordedIn(plan, await this.#save(signal))
    this.#isLost = false
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
   * Compares the kernel with what was written, and the addresses of this node with those in the rules: periodically, and
   * where the kernel tells of changes by others at once.
   */
  async guard(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#guardPeriodically(lost, signal), this.#guardByEvents(lost, signal)])
  }

  async #guardByEvents(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
    const { watch, clock } = this.#options
    if (watch === undefined) return
    const onChange = async ({ reason }: ForeignChange) => {
      const difference = await this.#undisturbedDifference(signal)
      if (difference !== undefined) lost(`${difference}; ${reason}`)
    }
    await guardTable({ watch, clock, onChange }, signal)
  }

  /** What differs, or what may, since it could not be read. */
  async #undisturbedDifference(signal: AbortSignal): Promise<string | undefined> {
    for (let attempt = 0; attempt < UNDISTURBED_ATTEMPTS; attempt++) {
      const result = this.#plan && (await this.#compare(this.#plan, signal).catch(() => undefined))
      if (result !== undefined) return result.difference
      await this.#options.clock.sleep(UNDISTURBED_WAIT_MS, signal)
    }
    return 'the rules could not be compared'
  }

  /**
   * In large clusters it looks, as kube-proxy does, for the empty chains that go away when somebody flushes a table, and
   * compares hourly.
   */
  async #guardPeriodically(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
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
      const check = compares
        ? this.#compare(plan, signal).then(result => result?.difference)
        : this.#missingCanary(signal)
      // What cannot be read now is read the next time, or written and then complained of.
      const reason = await check
        .then(difference => difference ?? this.#addressChange())
        .catch(() => undefined)
      if (reason !== undefined) lost(reason)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.watch?.[Symbol.dispose]()
  }

  /** What differs; undefined when something was written meanwhile. @throws {IptablesError} it could not be read. */
  async #compare(
    plan: IptablesPlan,
    signal: AbortSignal,
  ): Promise<{ readonly difference: string | undefined } | undefined> {
    const writes = this.#writes
    const saved = await this.#save(signal)
    if (this.#plan !== plan || this.#writes !== writes) return undefined
    const difference = this.#differenceFrom(plan, saved)
    this.#isLost ||= difference !== undefined
    return { difference }
  }

  #differenceFrom(plan: IptablesPlan, saved: Saved): string | undefined {
    for (const [chain, state] of plan.differencesFrom(saved.chains)) {
      const isReworded = state !== undefined && this.#reworded.get(chain) === state
      if (!isReworded) return `chain ${chain} is not as it was written`
    }
    const [jump] = missingShared(sharedRules(this.#options), saved).rules
    return jump && `a rule is gone: -t ${jump.table} ${jump.chain} ${jump.rule}`
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

/**
 * The chains that differ although they have just been written: another version of iptables prints rules in other words.
 * One that is empty was emptied again.
 */
function rewordedIn(plan: IptablesPlan, { chains }: Saved): ReadonlyMap<string, ChainState> {
  const reworded = new Map<string, ChainState>()
  for (const [chain, state] of plan.differencesFrom(chains)) {
    if (state !== undefined && state !== NO_RULES) reworded.set(chain, state)
  }
  return reworded
}
