import type { Elements } from './element.ts'
import { formatId, parseId, protocolName } from './name.ts'
import type { Route } from './route.ts'

/** What an earlier run left in the kernel. */
export type Recovered = {
  readonly elements: Elements
  /** The N of each chain `lb-N`. */
  readonly balancers: ReadonlySet<number>
}

/** An empty table. */
export const nothingRecovered: Recovered = { elements: new Map(), balancers: new Set() }

/** The ids by which the kernel knows these routes, by route key: those that their destinations lead to. */
export function recoverIds(
  routes: readonly Route[],
  elements: Elements,
): ReadonlyMap<string, number> {
  const ids = new Map<string, number>()
  const used = new Set<number>()
  for (const { key, destinations } of routes) {
    for (const destination of destinations) {
      const id = parseId(elements.get(destination.container)?.get(destination.key) ?? '')
      // An id can be found twice: one of two Services that want the same address has lost it.
      if (id === undefined || used.has(id)) continue
      used.add(id)
      ids.set(key, id)
      break
    }
  }
  return ids
}

/** What lies in the slots of an id, by {@link slotsKey}. */
export function recoverSlots(
  elements: Elements,
): ReadonlyMap<string, readonly (string | undefined)[]> {
  const slots = new Map<string, (string | undefined)[]>()
  for (const [key, endpoint] of elements.get('endpoints') ?? []) {
    const match = /^(.* \. .*) \. ([0-9]{1,5})$/.exec(key)
    if (match === null) continue
    const [, owner, slot] = match as unknown as [string, string, string]
    const list = slots.get(owner) ?? []
    list[Number(slot)] = endpoint
    slots.set(owner, list)
  }
  return slots
}

/** The part of an endpoint's key before its slot. */
export const slotsKey = (id: number, { protocol }: Pick<Route, 'protocol'>): string =>
  `${formatId(id)} . ${protocolName(protocol)}`
