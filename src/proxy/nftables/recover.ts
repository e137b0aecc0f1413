import type { Protocol } from '#net/protocol.ts'
import { type Elements, endpointsOf } from './element.ts'
import { parseId, parseSlotKey } from './name.ts'
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

/** What lies in the slots of each id, in the map of one protocol. */
export function recoverSlots(
  elements: Elements,
  protocol: Protocol,
): ReadonlyMap<number, readonly (string | undefined)[]> {
  const slots = new Map<number, (string | undefined)[]>()
  for (const [key, endpoint] of elements.get(endpointsOf(protocol)) ?? []) {
    const place = parseSlotKey(key)
    if (place === undefined) continue
    const list = slots.get(place.id) ?? []
    list[place.slot] = endpoint
    slots.set(place.id, list)
  }
  return slots
}
