import { SharedElements } from './claims.ts'
import {
  type Changes,
  diffElements,
  type Element,
  type ElementChange,
  type Elements,
  endpointsOf,
  indexElements,
  isDeferred,
} from './element.ts'
import { IdPool } from './ids.ts'
import { balancerChain, DROP_CHAIN, formatId, REJECT_CHAIN, slotKey } from './name.ts'
import { type Recovered, recoverIds, recoverSlots } from './recover.ts'
import type { Route } from './route.ts'
import { placeEndpoints } from './slots.ts'

/** A route with its place in the kernel: its id, and its endpoints by slot. */
type PlacedRoute = { readonly route: Route; readonly id: number; readonly slots: readonly string[] }

/** Where a route lies already; slots may have holes, and hold what is not wanted any more. */
type Known = { readonly id: number; readonly slots: readonly (string | undefined)[] }

/**
 * What the table of one family is to hold, in elements. Takes routes, gives the elements that change: as many as the
 * difference has, however many Services there are. Pure: it knows of the kernel only what it is told.
 */
export class NftPlan {
  readonly #placed = new Map<string, ReadonlyMap<string, PlacedRoute>>()
  readonly #shared = new SharedElements()
  readonly #ids: IdPool
  /** The N of the chains `lb-N` that the kernel has, or will have by the changes given out. */
  readonly #balancers = new Set<number>()
  /** Those that verdicts placed since the last changes need besides. */
  readonly #missing = new Set<number>()

  private constructor(ids: IdPool) {
    this.#ids = ids
  }

  /**
   * A plan for all `routes` (by Service) that keeps as much as it can of what the kernel holds, and the changes that
   * bring the kernel there. For an empty kernel these are everything.
   */
  static adopt(
    routes: ReadonlyMap<string, readonly Route[]>,
    kernel: Recovered,
  ): { readonly plan: NftPlan; readonly changes: Changes } {
    const all = [...routes.values()].flat().sort((a, b) => (a.key < b.key ? -1 : 1))
    const ids = recoverIds(all, kernel.elements)
    const plan = new NftPlan(new IdPool(ids.values()))
    const slots = {
      TCP: recoverSlots(kernel.elements, 'TCP'),
      UDP: recoverSlots(kernel.elements, 'UDP'),
      SCTP: recoverSlots(kernel.elements, 'SCTP'),
    }
    for (const [service, list] of routes) {
      plan.#place(service, list, ({ key, protocol }) => {
        const id = ids.get(key)
        return id === undefined ? undefined : { id, slots: slots[protocol].get(id) ?? [] }
      })
    }
    plan.#shared.takeChanges()
    return { plan, changes: plan.#changesFrom(kernel) }
  }

  /** The changes for these Services; an empty list of routes removes a Service. */
  update(changed: ReadonlyMap<string, readonly Route[]>): Changes {
    const own: ElementChange[] = []
    const freed: number[] = []
    for (const [service, routes] of changed) {
      const before = this.#placed.get(service) ?? NONE
      this.#place(service, routes, ({ key }) => before.get(key))
      const after = this.#placed.get(service) ?? NONE
      own.push(...diffElements(ownIndex(before), ownIndex(after)))
      for (const [key, { id }] of before) if (!after.has(key)) freed.push(id)
    }
    // An id is given out again only once its elements are gone, so not in this call.
    this.#ids.release(freed)
    return this.#changesOf([...own, ...this.#shared.takeChanges()], [])
  }

  /** All elements of the table. */
  *elements(): Generator<Element> {
    yield* this.#shared.elements()
    for (const routes of this.#placed.values()) {
      for (const placed of routes.values()) yield* ownElements(placed)
    }
  }

  /** Replaces the routes of a Service; `known` tells where a route lies now. */
  #place(
    service: string,
    routes: readonly Route[],
    known: (route: Route) => Known | undefined,
  ): void {
    const after = new Map<string, PlacedRoute>()
    for (const route of routes) {
      const { id, slots } = known(route) ?? { id: this.#ids.take(), slots: [] }
      const placed = { route, id, slots: placeEndpoints(route.endpoints, slots) }
      after.set(route.key, placed)
      if (placed.slots.length > 0) this.#missing.add(placed.slots.length)
    }
    for (const { route } of this.#placed.get(service)?.values() ?? []) {
      for (const element of [...route.destinations, ...route.members]) {
        this.#shared.release(route.key, element)
      }
    }
    for (const placed of after.values()) {
      for (const element of sharedElements(placed)) this.#shared.claim(placed.route.key, element)
    }
    if (after.size === 0) this.#placed.delete(service)
    else this.#placed.set(service, after)
  }

  #changesFrom({ elements, balancers }: Recovered): Changes {
    const unused = balancers.difference(this.#missing)
    for (const count of balancers.difference(unused)) this.#balancers.add(count)
    return this.#changesOf(diffElements(elements, indexElements(this.elements())), [...unused])
  }

  #changesOf(all: Iterable<ElementChange>, unusedBalancers: readonly number[]): Changes {
    const balancers = [...this.#missing.difference(this.#balancers)]
    for (const count of balancers) this.#balancers.add(count)
    this.#missing.clear()
    const { now = [], later = [] } = Object.groupBy(all, change =>
      isDeferred(change) ? 'later' : 'now',
    )
    return { balancers, now, later, unusedBalancers }
  }
}

const NONE: ReadonlyMap<string, PlacedRoute> = new Map()

const ownIndex = (routes: ReadonlyMap<string, PlacedRoute>): Elements =>
  indexElements(routes.values().flatMap(ownElements))

/** Elements that no other route can want, because their keys hold the id. */
function* ownElements({ route, id, slots }: PlacedRoute): Generator<Element> {
  const empty = route.whenEmpty === 'drop' ? DROP_CHAIN : REJECT_CHAIN
  const chain = slots.length === 0 ? empty : balancerChain(slots.length)
  yield { container: 'lb', key: formatId(id), value: `goto ${chain}` }
  for (const [slot, value] of slots.entries()) {
    yield { container: endpointsOf(route.protocol), key: slotKey(id, slot), value }
  }
}

function* sharedElements({ route, id }: PlacedRoute): Generator<Element> {
  for (const { container, key } of route.destinations) {
    yield { container, key, value: formatId(id) }
  }
  for (const { container, key } of route.members) yield { container, key, value: '' }
}
