import type { Route } from '#linux/netlink/route.ts'
import { MAIN_TABLE } from '#linux/netlink/route.ts'
import { formatPrefix } from '#net/prefix.ts'
import type { PlannedRoute } from './plan.ts'

/** RTPROT_…: who made a route. By it ours are found again; no other is touched. Unused in iproute2's rt_protos. */
export const ROUTE_PROTOCOL = 110
/** Not 0 and not 1024, at which administrators' routes lie: the kernel replaces a route of the same metric, whoever made it. */
export const ROUTE_METRIC = 110

/** What has to be done so that exactly the wanted routes are there. */
export type RouteDiff = {
  /** New, or with another path: each in one step. */
  readonly set: readonly Route[]
  readonly remove: readonly Route[]
  /** Routes that somebody else holds at our metric: ours would take their place. */
  readonly taken: readonly Route[]
}

/** The kernel's form of planned routes. Those whose link is not there are left out. */
export function kernelRoutes(
  planned: readonly PlannedRoute[],
  indexOf: (link: string) => number | undefined,
): readonly Route[] {
  return planned.flatMap(({ destination, link, gateway, isOnLink, source }) => {
    const linkIndex = indexOf(link)
    if (linkIndex === undefined) return []
    const path = { linkIndex, gateways: [gateway], isOnLink, source }
    return [{ destination, ...path, priority: ROUTE_METRIC, protocol: ROUTE_PROTOCOL }]
  })
}

/** Compares what is wanted with all routes of the machine. */
export function diffRoutes(wanted: readonly Route[], present: readonly Route[]): RouteDiff {
  const ours = present.filter(isOurs)
  const held = new Set(present.filter(isForeignAtOurMetric).map(keyOf))
  const known = Map.groupBy(ours, keyOf)
  const keep = new Set<Route>()
  const set: Route[] = []
  for (const route of wanted) {
    const same = known.get(keyOf(route))?.find(each => pathOf(each) === pathOf(route))
    if (same !== undefined) keep.add(same)
    else if (!held.has(keyOf(route))) set.push(route)
  }
  const replaced = new Set(set.map(keyOf))
  return {
    set,
    // Setting a route takes the place of the one with its key.
    remove: ours.filter(route => !keep.has(route) && !replaced.has(keyOf(route))),
    taken: wanted.filter(route => held.has(keyOf(route))),
  }
}

export const isOurs = ({ protocol }: Route): boolean => protocol === ROUTE_PROTOCOL

const isForeignAtOurMetric = (route: Route): boolean =>
  !isOurs(route) && route.priority === ROUTE_METRIC && (route.table ?? MAIN_TABLE) === MAIN_TABLE

/** The kernel holds one route for each. */
const keyOf = ({ destination, priority, table = MAIN_TABLE }: Route): string =>
  `${formatPrefix(destination)} ${priority} ${table}`

const pathOf = ({ linkIndex, gateways, source }: Route): string =>
  `${linkIndex} ${gateways.join(',')} ${source ?? ''}`
