import type { Protocol } from '#net/protocol.ts'
import { Pace } from '#runtime/pace.ts'
import type { Remembered } from './affinity.ts'
import { type Claim, SharedElements } from './claims.ts'
import {
  type Changes,
  compareElements,
  diffElements,
  type Element,
  type ElementChange,
  type Elements,
  indexElements,
  isDeferred,
} from './element.ts'
import { IdPool } from './ids.ts'
import { concat, parseClientKey } from './name.ts'
import {
  chainsOf,
  claimsOf,
  membersOf,
  ownElements,
  type PlacedRoute,
  type PlacedRoutes,
} from './placed.ts'
import { lookedUpIds, type Recovered, recoverIds, recoverSlots } from './recover.ts'
import type { PortRules, Route } from './route.ts'
import { placeEndpoints } from './slots.ts'

/** What a Service has in the table. */
type PlacedService = {
  readonly routes: readonly PlacedRoute[]
  /** The objects that {@link SharedElements} holds, so that there is nothing more to hold. */
  readonly claims: readonly Claim[]
}

/** Where a route lies already; slots may have holes, and hold what is not wanted any more. */
type Known = { readonly id: number; readonly slots: readonly (string | undefined)[] }

/**
 * What the table of one family is to hold, in elements. Takes rules, gives the elements that change: as many as the
 * difference has, however many Services there are. Pure: it knows of the kernel only what it is told.
 */
export class NftPlan {
  readonly #placed = new Map<string, PlacedService>()
  readonly #shared = new SharedElements()
  readonly #ids: IdPool
  /** Routes with affinity by id. */
  readonly #sticky = new Map<number, PlacedRoute>()
  /** The chains made on demand that the kernel has, or will have by the changes given out. */
  readonly #chains = new Set<string>()
  /** Those that verdicts placed since the last changes need besides. */
  readonly #missing = new Set<string>()

  private constructor(ids: IdPool) {
    this.#ids = ids
  }

  /** A plan for an empty kernel, of no Services. */
  static empty(): NftPlan {
    return new NftPlan(new IdPool([]))
  }

  /** Takes in a Service before anything was written: the kernel is to be given {@link whole}. */
  add(service: string, ports: readonly PortRules[]): void {
    this.#place(service, ports, () => undefined)
    this.#shared.dropChanges()
  }

  /** The chains made on demand and the elements that an empty table needs. */
  whole(): { readonly chains: readonly string[]; readonly elements: Iterable<Element> } {
    return { chains: this.#takeMissing(), elements: this.#elements() }
  }

  /**
   * A plan for the rules of all Services that keeps as much as it can of what the kernel holds, and the changes that
   * bring the kernel there. Lets the event loop turn now and then.
   */
  static async adopt(
    rules: ReadonlyMap<string, readonly PortRules[]>,
    kernel: Recovered,
  ): Promise<{ readonly plan: NftPlan; readonly changes: Changes }> {
    const pace = new Pace()
    const ids = await recoverIds([...rules.values()].flat(), kernel.elements, pace)
    const kept = new Set(ids.values())
    const left = lookedUpIds(kernel.elements).difference(kept)
    const plan = new NftPlan(new IdPool([...kept, ...left]))
    const slots = {
      TCP: await recoverSlots(kernel.elements, 'TCP', pace),
      UDP: await recoverSlots(kernel.elements, 'UDP', pace),
      SCTP: await recoverSlots(kernel.elements, 'SCTP', pace),
    }
    for (const [service, ports] of rules) {
      plan.#place(service, ports, ({ key, protocol }) => {
        const id = ids.get(key)
        return id === undefined ? undefined : { id, slots: slots[protocol].get(id) ?? [] }
      })
      plan.#shared.dropChanges()
      await pace.breathe()
    }
    const changes = await plan.#changesFrom(kernel, pace)
    // As in an update: only the next call may give out what packets can still be on the way to.
    plan.#ids.release(left)
    return { plan, changes }
  }

  /** The changes for these Services; an empty list of rules removes a Service. */
  update(changed: ReadonlyMap<string, readonly PortRules[]>): Changes {
    const own: ElementChange[] = []
    const freed: number[] = []
    const forgetful = new Set<Protocol>()
    for (const [service, ports] of changed) {
      const before = this.#routesOf(service)
      this.#place(service, ports, ({ key }) => before.get(key))
      const after = this.#routesOf(service)
      own.push(...diffElements(ownIndex(before), ownIndex(after)))
      for (const [key, placed] of before) {
        const now = after.get(key)
        if (now === undefined) freed.push(placed.id)
        if (mayRememberMore(placed, now)) forgetful.add(placed.route.protocol)
      }
    }
    // An id is given out again only once its elements are gone, so not in this call.
    this.#ids.release(freed)
    return {
      ...this.#changesOf([...own, ...this.#shared.takeChanges()], []),
      forgetful: [...forgetful],
    }
  }

  *#elements(): Generator<Element> {
    yield* this.#shared.elements()
    for (const { routes } of this.#placed.values()) {
      for (const placed of routes) yield* ownElements(placed)
    }
  }

  #routesOf(service: string): PlacedRoutes {
    const routes = this.#placed.get(service)?.routes ?? []
    return new Map(routes.map(placed => [placed.route.key, placed]))
  }

  /** The service port (by key) of each destination, named `vips KEY` or `nodeports KEY`; other things are among them. */
  owners(): ReturnType<SharedElements['owners']> {
    return this.#shared.owners()
  }

  /** Which clients are remembered with endpoints that their route does not have (any more)? */
  outdated(protocol: Protocol, clients: readonly Remembered[]): readonly Remembered[] {
    return clients.filter(({ key, values }) => {
      const placed = this.#sticky.get(parseClientKey(key) ?? 0)
      return placed?.route.protocol !== protocol || !placed.slots.includes(concat(...values))
    })
  }

  /** Replaces the rules of a Service; `known` tells where a route lies now. */
  #place(
    service: string,
    ports: readonly PortRules[],
    known: (route: Route) => Known | undefined,
  ): void {
    this.#remove(service)
    if (ports.length === 0) return
    const routes = new Map<string, PlacedRoute>()
    for (const route of ports.flatMap(port => port.routes)) {
      const { id, slots } = known(route) ?? { id: this.#ids.take(), slots: [] }
      const placed = { route, id, slots: placeEndpoints(route.endpoints, slots) }
      routes.set(route.key, placed)
      if (route.affinitySeconds !== undefined) this.#sticky.set(id, placed)
      for (const chain of chainsOf(placed)) this.#missing.add(chain)
    }
    // Never by adding to a list: V8 then keeps room for 17, too much for tens of thousands.
    const claims = [...allClaims(service, ports, routes)]
    for (const claim of claims) this.#shared.claim(claim)
    this.#placed.set(service, { routes: [...routes.values()], claims })
  }

  #remove(service: string): void {
    const placed = this.#placed.get(service)
    if (placed === undefined) return
    for (const claim of placed.claims) this.#shared.release(claim)
    for (const { id } of placed.routes) this.#sticky.delete(id)
    this.#placed.delete(service)
  }

  async #changesFrom({ elements, chains }: Recovered, pace: Pace): Promise<Changes> {
    const unused = chains.difference(this.#missing)
    for (const chain of chains.difference(unused)) this.#chains.add(chain)
    const changes = await compareElements(elements, () => this.#elements(), pace)
    return this.#changesOf(changes, [...unused])
  }

  #changesOf(all: Iterable<ElementChange>, unusedChains: readonly string[]): Changes {
    const chains = this.#takeMissing()
    const { now = [], later = [] } = Object.groupBy(all, change =>
      isDeferred(change) ? 'later' : 'now',
    )
    return { chains, now, later, unusedChains, forgetful: [] }
  }

  #takeMissing(): readonly string[] {
    const chains = [...this.#missing.difference(this.#chains)]
    for (const chain of chains) this.#chains.add(chain)
    this.#missing.clear()
    return chains
  }
}

function* allClaims(
  service: string,
  ports: readonly PortRules[],
  routes: PlacedRoutes,
): Generator<Claim> {
  for (const port of ports) yield* claimsOf(port, routes)
  yield* membersOf(service, ports)
}

const ownIndex = (routes: PlacedRoutes): Elements =>
  indexElements(routes.values().flatMap(ownElements))

/** May the kernel remember endpoints of the former route that the present one does not have? */
function mayRememberMore(former: PlacedRoute, present: PlacedRoute | undefined): boolean {
  if (former.route.affinitySeconds === undefined) return false
  if (present?.route.affinitySeconds === undefined) return true
  const left = new Set(present.slots)
  return former.slots.some(endpoint => !left.has(endpoint))
}
