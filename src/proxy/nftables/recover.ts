import type { Protocol } from '#net/protocol.ts'
import type { Pace } from '#runtime/pace.ts'
import { type Container, type Elements, endpointsOf } from './element.ts'
import { parseId, parseSlotKey } from './name.ts'
import type { PortRules } from './route.ts'

/** What an earlier run left in the kernel. */
export type Recovered = {
  readonly elements: Elements
  /** Those made on demand. */
  readonly chains: ReadonlySet<string>
  /** The maps and sets that are not empty, also those that packets write. */
  readonly filled: ReadonlySet<string>
}

/** The ids by which the kernel knows the routes of these ports, by route key: those that their destinations lead to. */
export async function recoverIds(
  ports: readonly PortRules[],
  elements: Elements,
  pace: Pace,
): Promise<ReadonlyMap<string, number>> {
  const ids = new Map<string, number>()
  const used = new Set<number>()
  for (const { route, container, key } of pathsOf(ports)) {
    await pace.breathe()
    const id = parseId(elements.get(container)?.get(key) ?? '')
    // An id can be found twice: one of two Services that want the same address has lost it.
    if (id === undefined || used.has(id) || ids.has(route)) continue
    used.add(id)
    ids.set(route, id)
  }
  return ids
}

/** The elements that lead to routes, in the order of the ports' keys: the first of two that want one has it. */
function* pathsOf(
  ports: readonly PortRules[],
): Generator<{ readonly route: string; readonly container: Container; readonly key: string }> {
  for (const { destinations } of ports.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    for (const { at, key, route, insideRoute } of destinations) {
      yield { route, container: at, key }
      if (insideRoute !== undefined) yield { route: insideRoute, container: `${at}-inside`, key }
    }
  }
}

/** What lies in the slots of each id, in the map of one protocol. */
export async function recoverSlots(
  elements: Elements,
  protocol: Protocol,
  pace: Pace,
): Promise<ReadonlyMap<number, readonly (string | undefined)[]>> {
  const slots = new Map<number, (string | undefined)[]>()
  for (const [key, endpoint] of elements.get(endpointsOf(protocol)) ?? []) {
    await pace.breathe()
    const place = parseSlotKey(key)
    if (place === undefined) continue
    const list = slots.get(place.id) ?? []
    list[place.slot] = endpoint
    slots.set(place.id, list)
  }
  return slots
}
