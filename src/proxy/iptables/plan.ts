import { type ChainState, stateOf } from './chain-state.ts'
import type { Table } from './fixed.ts'
import { isPortChain } from './names.ts'
import { type DispatchChain, dispatchChains, type PortRules } from './port-rules.ts'

/** What is to be written. Chains are named `table chain`. */
export type Changes = {
  /** Chains that get these rules instead of those they have; made where they are missing. */
  readonly written: ReadonlyMap<string, readonly string[]>
  /** Chains to remove. */
  readonly deleted: ReadonlySet<string>
}

type ServiceRules = {
  readonly chains: readonly string[]
  readonly dispatch: PortRules['dispatch']
  /** Rules in {@link chains}. */
  readonly ruleCount: number
  readonly endpointCount: number
}

const NO_RULES: readonly string[] = []

/**
 * The chains as they are to be, and as they are in the kernel. The rules in the chains of a service port depend on this
 * port alone; a fixed chain has the rules of all Services, in the order of their names.
 */
export class IptablesPlan {
  readonly #constant: ReadonlyMap<string, readonly string[]>
  readonly #kernel: Map<string, ChainState>
  readonly #services = new Map<string, ServiceRules>()
  #names: string[] | undefined
  #tail: readonly string[] = NO_RULES
  readonly #counts = new Map<string, number>()
  #portRuleCount = 0
  #endpointCount = 0
  #written = new Map<string, readonly string[]>()
  #deleted = new Set<string>()
  #dirty = new Set<DispatchChain>(dispatchChains)

  /** `constant`: the chains that have their rules whatever Services there are. `kernel`: what all chains hold now. */
  constructor(
    constant: ReadonlyMap<string, readonly string[]>,
    kernel: ReadonlyMap<string, ChainState>,
  ) {
    this.#constant = constant
    this.#kernel = new Map(kernel)
    for (const [chain, rules] of constant) this.#write(chain, rules)
  }

  /** Endpoints of all Services, usable or not, each counted once for each port it serves. */
  get endpointCount(): number {
    return this.#endpointCount
  }

  /** Endpoints of one Service. */
  endpointsOf(service: string): number {
    return this.#services.get(service)?.endpointCount ?? 0
  }

  /** The rules of a Service; of no ports when it is gone. */
  set(service: string, ports: readonly PortRules[], endpointCount: number): void {
    const before = this.#services.get(service)
    const after = serviceRules(ports, endpointCount)
    const chains = new Set(after.chains)
    for (const chain of before?.chains ?? []) if (!chains.has(chain)) this.#delete(chain)
    for (const { name, rules } of ports.flatMap(({ chains }) => chains)) {
      this.#write(`nat ${name}`, rules)
    }
    for (const chain of dispatchChains) {
      const [old = NO_RULES, now = NO_RULES] = [before?.dispatch[chain], after.dispatch[chain]]
      if (old.join('\n') !== now.join('\n')) this.#dirty.add(chain)
    }
    this.#portRuleCount += after.ruleCount - (before?.ruleCount ?? 0)
    this.#endpointCount += endpointCount - (before?.endpointCount ?? 0)
    if (ports.length === 0) this.#remove(service)
    else this.#put(service, after)
  }

  /** The rules that stand at the end of nat's KUBE-SERVICES. */
  setTail(rules: readonly string[]): void {
    if (rules.join('\n') !== this.#tail.join('\n')) this.#dirty.add('nat KUBE-SERVICES')
    this.#tail = rules
  }

  /**
   * Plans the removal of what service ports have left that are gone, however it came to be there. What others `use` can
   * only be emptied.
   */
  deleteStale(used: ReadonlySet<string>): void {
    const wanted = new Set<string>()
    for (const { chains } of this.#services.values()) for (const chain of chains) wanted.add(chain)
    for (const chain of this.#kernel.keys()) {
      const [table, name = ''] = chain.split(' ')
      if (table !== 'nat' || !isPortChain(name) || wanted.has(chain)) continue
      if (used.has(chain)) this.#write(chain, NO_RULES)
      else this.#delete(chain)
    }
  }

  /** What has to be written since the last call. The plan goes by it that it will be: after a failure make a new one. */
  take(): Changes {
    for (const chain of this.#dirty) {
      const rules = this.#dispatchRules(chain)
      this.#counts.set(chain, rules.length)
      this.#write(chain, rules)
    }
    const changes = { written: this.#written, deleted: this.#deleted }
    this.#written = new Map()
    this.#deleted = new Set()
    this.#dirty = new Set()
    return changes
  }

  /** Rules in the chains of a table. */
  ruleCount(table: Table): number {
    let count = table === 'nat' ? this.#portRuleCount : 0
    const isHere = (chain: string) => chain.startsWith(`${table} `)
    for (const [chain, rules] of this.#constant) if (isHere(chain)) count += rules.length
    for (const [chain, rules] of this.#counts) if (isHere(chain)) count += rules
    return count
  }

  /** The chains of ours that hold something else than was written, and what; undefined: they are gone. */
  differencesFrom(
    kernel: ReadonlyMap<string, ChainState>,
  ): readonly (readonly [string, ChainState | undefined])[] {
    const differences: (readonly [string, ChainState | undefined])[] = []
    for (const [chain, state] of this.#kernel) {
      const isOurs = isPortChain(chain.split(' ')[1] ?? '') || this.#isFixed(chain)
      const now = kernel.get(chain)
      if (isOurs && now !== state) differences.push([chain, now])
    }
    return differences
  }

  #isFixed(chain: string): boolean {
    return this.#constant.has(chain) || dispatchChains.some(name => name === chain)
  }

  #write(chain: string, rules: readonly string[]): void {
    this.#deleted.delete(chain)
    const state = stateOf(rules)
    if (this.#kernel.get(chain) === state) return
    this.#kernel.set(chain, state)
    this.#written.set(chain, rules)
  }

  #delete(chain: string): void {
    this.#written.delete(chain)
    if (this.#kernel.delete(chain)) this.#deleted.add(chain)
  }

  #put(service: string, rules: ServiceRules): void {
    const isNew = !this.#services.has(service)
    this.#services.set(service, rules)
    // A whole cluster is sorted at once.
    if (isNew && this.#names !== undefined) {
      this.#names.splice(placeOf(this.#names, service), 0, service)
    }
  }

  #remove(service: string): void {
    if (!this.#services.delete(service) || this.#names === undefined) return
    this.#names.splice(placeOf(this.#names, service), 1)
  }

  #dispatchRules(chain: DispatchChain): readonly string[] {
    this.#names ??= [...this.#services.keys()].sort()
    const rules: string[] = []
    for (const name of this.#names) {
      const own = this.#services.get(name)?.dispatch[chain]
      if (own !== undefined) rules.push(...own)
    }
    if (chain === 'nat KUBE-SERVICES') rules.push(...this.#tail)
    return rules
  }
}

function serviceRules(ports: readonly PortRules[], endpointCount: number): ServiceRules {
  const chains = ports.flatMap(({ chains }) => chains)
  const dispatch: Partial<Record<DispatchChain, readonly string[]>> = {}
  for (const chain of dispatchChains) {
    const rules = ports.flatMap(({ dispatch }) => dispatch[chain] ?? NO_RULES)
    if (rules.length > 0) dispatch[chain] = rules
  }
  return {
    chains: chains.map(({ name }) => `nat ${name}`),
    dispatch,
    ruleCount: chains.reduce((count, { rules }) => count + rules.length, 0),
    endpointCount,
  }
}

/** Where a text is or would be among sorted ones. */
function placeOf(sorted: readonly string[], text: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as string) < text) low = middle + 1
    else high = middle
  }
  return low
}
