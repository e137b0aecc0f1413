import type { Claim } from './claims.ts'
import { type Element, endpointsOf } from './element.ts'
import {
  balancerChain,
  concat,
  DROP_CHAIN,
  formatId,
  MASQUERADE_CHAIN,
  MASQUERADE_NODE_CHAIN,
  REJECT_CHAIN,
  rememberChain,
  STICKY_CHAIN,
  slotKey,
} from './name.ts'
import type { Destination, PortRules, Route } from './route.ts'

/** A route with its place in the kernel: its id, and its endpoints by slot. */
export type PlacedRoute = {
  readonly route: Route
  readonly id: number
  readonly slots: readonly string[]
}

/** Routes by key. */
export type PlacedRoutes = ReadonlyMap<string, PlacedRoute>

/** The chains made on demand that a route's verdicts name. */
export function* chainsOf({ route, slots }: PlacedRoute): Generator<string> {
  if (slots.length === 0) return
  yield balancerChain(slots.length)
  if (route.affinitySeconds !== undefined) yield rememberChain(route.affinitySeconds)
}

/** Elements that no other route can want, because their keys hold the id. */
export function* ownElements({ route, id, slots }: PlacedRoute): Generator<Element> {
  const key = formatId(id)
  if (slots.length === 0) {
    const chain = route.whenEmpty === 'drop' ? DROP_CHAIN : REJECT_CHAIN
    yield { container: 'lb', key, value: `goto ${chain}` }
    return
  }
  const balance = `goto ${balancerChain(slots.length)}`
  if (route.affinitySeconds === undefined) yield { container: 'lb', key, value: balance }
  else {
    yield { container: 'lb', key, value: `goto ${STICKY_CHAIN}` }
    yield { container: 'spread', key, value: balance }
    yield { container: 'remember', key, value: `goto ${rememberChain(route.affinitySeconds)}` }
  }
  for (const [slot, value] of slots.entries()) {
    yield { container: endpointsOf(route.protocol), key: slotKey(id, slot), value }
    if (route.affinitySeconds === undefined) continue
    yield { container: 'sticky-endpoints', key: concat(key, value), value: '' }
  }
}

/** What other service ports may want as well, and only one can have. */
export function* claimsOf(port: PortRules, routes: PlacedRoutes): Generator<Claim> {
  for (const destination of port.destinations) {
    const elements = [...destinationElements(destination, routes)]
    yield { name: `${destination.at} ${destination.key}`, owner: port.key, elements }
  }
}

/** What other Services may want as well, and is the same whoever has it; each once. */
export function* membersOf(service: string, ports: readonly PortRules[]): Generator<Claim> {
  const names = new Set<string>()
  for (const { container, key } of ports.flatMap(port => port.members)) {
    const name = `${container} ${key}`
    if (names.has(name)) continue
    names.add(name)
    yield { name, owner: service, elements: [{ container, key, value: '' }] }
  }
}

const trafficOf = (at: Destination['at']) => (at === 'vips' ? 'traffic' : 'traffic-nodeports')

function* destinationElements(
  { at, key, route, insideRoute, masquerade, sourceRanges = [] }: Destination,
  routes: PlacedRoutes,
): Generator<Element> {
  const idOf = (name: string) => formatId(routes.get(name)?.id as number)
  yield { container: at, key, value: idOf(route) }
  yield { container: trafficOf(at), key, value: '' }
  if (insideRoute !== undefined) {
    yield { container: `${at}-inside`, key, value: idOf(insideRoute) }
  }
  if (masquerade !== undefined) {
    const chain = masquerade === 'all' ? MASQUERADE_CHAIN : MASQUERADE_NODE_CHAIN
    yield { container: `masquerade-${at}`, key, value: `goto ${chain}` }
  }
  if (sourceRanges.length > 0) yield { container: 'restricted', key, value: '' }
  for (const range of sourceRanges) {
    yield { container: 'source-ranges', key: concat(key, range), value: '' }
  }
}
