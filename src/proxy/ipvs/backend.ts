import assert from 'node:assert'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend, ServiceStates } from '../backend.ts'
import type { DrainingDestinations } from './draining.ts'
import type { Firewall } from './firewall.ts'
import { FullSets } from './full-sets.ts'
import type { IpvsKernel } from './kernel.ts'
import type { Addresses } from './machine.ts'
import { type Changes, IpvsPlan, type KernelState } from './plan.ts'
import { type PlanContext, type PortPlan, portPlan } from './port-plan.ts'
import { setName } from './sets.ts'

/** The part of {@link IpvsKernel} that is used here. */
export type Kernel = Omit<IpvsKernel, 'ipvs'>

export type IpvsOptions = {
  readonly family: IpFamily
  readonly node: Pick<PlanContext, 'nodeName' | 'nodeIPs' | 'scheduler'>
  /** Local addresses that answer on node ports; all when there is none. */
  readonly nodePortAddresses: readonly IpPrefix[]
  readonly kernel: Kernel
  readonly firewall: Pick<Firewall, 'write' | 'isIntact'>
  /** How often the kernel is compared with the plan, milliseconds. */
  readonly periodMs: number
  readonly clock: Clock
  readonly log: Logger
}

/** Virtual servers whose destinations are compared in one period: that takes a request for each. */
const LOOKED_AT_IN_A_PERIOD = 1000

/** What is known while the kernel holds what was planned. */
type Programmed = { readonly plan: IpvsPlan; readonly context: PlanContext }

/** Services as virtual servers of one family, with the link, sets and rules that they need. See docs/proxy-ipvs.md. */
export class IpvsBackend implements Backend {
  readonly name = 'ipvs'
  readonly #options: IpvsOptions
  #programmed: Programmed | undefined
  /** The guard must not look while something is being written. */
  #last: Promise<unknown> = Promise.resolve()
  /** Where in the list of virtual servers the guard's next look at destinations begins. */
  #lookFrom = 0

  readonly #fullSets: FullSets

  constructor(options: IpvsOptions) {
    this.#options = options
    const { family, log } = options
    this.#fullSets = new FullSets(set => {
      log.error({ set: setName(set, family) }, 'the ipset is full: it lacks members')
    })
  }

  replace(all: ServiceStates, signal: AbortSignal): Promise<void> {
    return this.#exclusive(async () => {
      const { kernel } = this.#options
      this.#programmed = undefined
      await kernel.prepare()
      const context = planContext(this.#options, await kernel.addresses())
      const plan = new IpvsPlan()
      const pace = new Pace()
      for (const some of plansOf(all, context)) {
        await pace.breathe()
        plan.update([some])
      }
      const state = await kernel.read(key => plan.hasServer(key))
      await this.#write(plan, await plan.changesFrom(state), signal)
      this.#programmed = { plan, context }
    })
  }

  update(changed: ServiceStates, signal: AbortSignal): Promise<void> {
    return this.#exclusive(async () => {
      assert(this.#programmed !== undefined, 'an update follows a successful call')
      const { plan, context } = this.#programmed
      // Until it is written nobody knows what the kernel holds.
      this.#programmed = undefined
      await this.#write(plan, plan.update(plansOf(changed, context)), signal)
      this.#programmed = { plan, context }
    })
  }

  /** Compares periodically: IPVS and ipset tell nobody what changes. */
  async guard(lost: (reason: string) => void, signal: AbortSignal): Promise<void> {
    const { clock, periodMs, log } = this.#options
    for (;;) {
      try {
        await clock.sleep(periodMs, signal)
        const reason = await this.#exclusive(() => this.#inspect(signal))
        if (reason !== undefined) lost(reason)
      } catch (error) {
        if (signal.aborted) return
        log.warn({ reason: describeError(error) }, 'the kernel could not be compared with the plan')
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last
    this.#options.kernel[Symbol.dispose]()
  }

  /** What is not as planned, or undefined. */
  async #inspect(signal: AbortSignal): Promise<string | undefined> {
    if (this.#programmed === undefined) return undefined
    const { plan, context } = this.#programmed
    const { kernel, firewall } = this.#options
    await kernel.draining.removeIdle()
    const { machine } = await kernel.addresses()
    if (machine.symmetricDifference(context.machineAddresses).size > 0)
      return "the node's addresses"
    const window = { from: this.#lookFrom, count: LOOKED_AT_IN_A_PERIOD }
    const state = await kernel.read(key => plan.hasServer(key), window)
    this.#lookFrom = (window.from + window.count) % Math.max(1, state.servers.size)
    const { members, ...rest } = await plan.changesFrom(withoutDraining(state, kernel.draining))
    const changes = { ...rest, members: { ...members, add: this.#fullSets.addable(members.add) } }
    const reason = describeChanges(changes)
    if (reason !== undefined) return reason
    return (await firewall.isIntact(signal)) ? undefined : 'iptables rules'
  }

  /** An address comes last and goes first: while it is on the link, all that its connections need is there. */
  async #write(plan: IpvsPlan, changes: Changes, signal: AbortSignal): Promise<void> {
    const { kernel, firewall } = this.#options
    const { add, remove } = changes.members
    this.#fullSets.noteAdded(add, await kernel.addMembers(add))
    await kernel.changeServers(changes.servers)
    const facts = plan.takeFacts()
    if (facts !== undefined) await firewall.write(facts, signal)
    signal.throwIfAborted()
    await kernel.changeAddresses(changes.addresses)
    await kernel.removeServers(changes.removedServers)
    await kernel.removeMembers(remove)
    this.#fullSets.noteRemoved(remove)
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return await result
  }
}

/** What plans depend on, on a machine with these addresses. */
export function planContext(
  { family, node, nodePortAddresses }: Pick<IpvsOptions, 'family' | 'node' | 'nodePortAddresses'>,
  { machine }: Pick<Addresses, 'machine'>,
): PlanContext {
  const isSelected = (ip: IpAddress) =>
    nodePortAddresses.length === 0 || nodePortAddresses.some(prefix => prefixContains(prefix, ip))
  return {
    ...node,
    family,
    machineAddresses: machine,
    nodePortAddresses: [...machine].filter(isSelected),
  }
}

export function* plansOf(
  states: ServiceStates,
  context: PlanContext,
): Generator<readonly [string, readonly PortPlan[]]> {
  for (const [service, ports] of states) yield [service, ports.map(port => portPlan(port, context))]
}

/** What is in the kernel on purpose until its connections end is no difference. */
function withoutDraining(state: KernelState, draining: DrainingDestinations): KernelState {
  const servers = state.servers.entries().map(([key, server]) => {
    const kept = server.destinations?.entries().filter(([to]) => !draining.has(key, to))
    return [key, { ...server, destinations: kept && new Map(kept) }] as const
  })
  return { ...state, servers: new Map(servers) }
}

/** What is to be changed, in words; undefined when nothing is. */
function describeChanges(changes: Changes): string | undefined {
  const counts = {
    'virtual servers': changes.servers.length + changes.removedServers.length,
    addresses: changes.addresses.add.length + changes.addresses.remove.length,
    'members of sets': changes.members.add.length + changes.members.remove.length,
  }
  const texts = Object.entries(counts).flatMap(([what, count]) =>
    count > 0 ? `${what}: ${count}` : [],
  )
  return texts.length === 0 ? undefined : texts.join(', ')
}
