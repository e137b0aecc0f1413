import type { NftTable } from '#linux/nft-listing.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import type { Pace } from '#runtime/pace.ts'
import { type Container, type Elements, endpointsOf } from './element.ts'
import type { Layout } from './layout.ts'
import { parseId, parseSlotKey } from './name.ts'
import { chainRules } from './render.ts'
import type { PortRules } from './route.ts'

/** What an earlier run left in the kernel. */
export type Recovered = {
  readonly elements: Elements
  /** Those made on demand. */
  readonly chains: ReadonlySet<string>
  /** The maps and sets that are not empty, also those that packets write. */
  readonly filled: ReadonlySet<string>
}

/**
 * What can be kept of a table: nothing unless its chains and rules are those that this layout and {@link chainRules} made.
 * That they are is told by their handles, which the kernel gives out upwards: what was made later is somebody else's.
 */
export function recover(
  family: IpFamily,
  table: NftTable | undefined,
  layout: Pick<Layout, 'marker' | 'rules'>,
): Recovered | undefined {
  const marker = table?.chains.get(layout.marker)
  if (table === undefined || marker === undefined || marker.rules > 0) return undefined
  for (const name of layout.rules.keys()) if (!table.chains.has(name)) return undefined
  const chains = new Set<string>()
  for (const [name, { rules, handle, lastRule }] of table.chains) {
    if (name === layout.marker) continue
    const fixed = layout.rules.get(name)
    const wanted = fixed ?? chainRules(family, name).length
    // The marker is made after the fixed rules, and the rules of a chain made on demand right after it.
    const limit = fixed === undefined ? handle + wanted : marker.handle
    const isOwn = fixed !== undefined || wanted > 0
    if (!isOwn || rules !== wanted || lastRule > limit) return undefined
    if (fixed === undefined) chains.add(name)
  }
  const filled = new Set<string>()
  for (const [name, { size }] of table.elements) if (size > 0) filled.add(name)
  return { elements: table.elements as Elements, chains, filled }
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

/** The ids that packets may be on the way to. */
export function lookedUpIds(elements: Elements): ReadonlySet<number> {
  const ids = new Set<number>()
  for (const key of elements.get('lb')?.keys() ?? []) {
    const id = parseId(key)
    if (id !== undefined) ids.add(id)
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
