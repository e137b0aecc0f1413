import { listLinks } from '#linux/netlink/link.ts'
import { listRoutes, type Route } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { listNftTableNames } from '#linux/nft-tables.ts'
import { readSysctl } from '#linux/sysctl.ts'
import type { IpFamily } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { FORWARDING } from './apply.ts'
import { ROUTES_TABLE } from './masquerade/nft-render.ts'
import type { Plan } from './plan.ts'
import { diffRoutes, isOurs, kernelRoutes } from './route-diff.ts'
import type { MasqueradeBackend } from './settings.ts'

/** One thing: without `found` it is missing, without `wanted` it is too much. */
export type RoutesDifference = {
  readonly place: string
  readonly wanted?: string | undefined
  readonly found?: string | undefined
}

/** What a plan is compared with. */
export type RoutesFound = {
  /** Of all families. */
  readonly routes: readonly Route[]
  /** Names by index. */
  readonly links: ReadonlyMap<number, string>
  /** The families whose packets are not forwarded. */
  readonly notForwarding: readonly IpFamily[]
  /** The families whose table is not there; none where the rules are not in tables of ours. */
  readonly withoutTable: readonly IpFamily[]
}

/** In what the kernel differs from the plan; writes nothing. What is in a masquerade table is not looked at. */
export const planDifferences = (plan: Plan, found: RoutesFound): readonly RoutesDifference[] => [
  ...linkDifferences(plan, found),
  ...routeDifferences(plan, found),
  ...found.notForwarding.map(family => ({
    place: `sysctl ${FORWARDING[family]}`,
    wanted: '1',
    found: '0',
  })),
  ...plan.masquerades
    .filter(({ family }) => found.withoutTable.includes(family))
    .map(({ family }) => ({
      place: `table ${family === 4 ? 'ip' : 'ip6'} ${ROUTES_TABLE}`,
      wanted: 'is there',
    })),
]

/** Links that are not there, and the routes that cannot be without them. */
function linkDifferences({ routes, tunnels }: Plan, { links }: RoutesFound): RoutesDifference[] {
  const present = new Set(links.values())
  const wanted = new Set([...tunnels.map(({ name }) => name), ...routes.map(({ link }) => link)])
  const missing = wanted.difference(present)
  return [
    ...[...missing].map(link => ({ place: `link ${link}`, wanted: 'is there' })),
    ...routes
      .filter(({ link }) => missing.has(link))
      .map(({ destination, gateway, link }) => ({
        place: 'routes',
        wanted: `${formatPrefix(destination)} via ${gateway} dev ${link}`,
      })),
  ]
}

function routeDifferences(plan: Plan, { routes, links }: RoutesFound): RoutesDifference[] {
  const indexes = new Map([...links].map(([index, name]) => [name, index]))
  const wanted = kernelRoutes(plan.routes, link => indexes.get(link))
  const { set, remove, taken } = diffRoutes(wanted, routes)
  const text = (route: Route) => routeText(route, links)
  const place = 'routes'
  return [
    ...set.map(route => {
      const other = routes.find(each => isOurs(each) && hasSameDestination(each, route))
      return { place, wanted: text(route), found: other && text(other) }
    }),
    ...remove.map(route => ({ place, found: text(route) })),
    ...taken.map(route => ({
      place,
      wanted: text(route),
      found: "somebody else's route with this destination and metric",
    })),
  ]
}

const hasSameDestination = (a: Route, b: Route): boolean =>
  formatPrefix(a.destination) === formatPrefix(b.destination)

function routeText(
  { destination, gateways, linkIndex }: Route,
  links: ReadonlyMap<number, string>,
): string {
  const via = gateways.length === 0 ? '' : ` via ${gateways.join(',')}`
  const link = linkIndex === undefined ? '' : ` dev ${links.get(linkIndex) ?? linkIndex}`
  return `${formatPrefix(destination)}${via}${link}`
}

/** Reads what a plan is compared with. @throws {NetlinkError} */
export async function readFound(plan: Plan, masquerade: MasqueradeBackend): Promise<RoutesFound> {
  using socket = NetlinkSocket.open()
  const families = plan.uplinks.map(({ family }) => family)
  const routes = await Promise.all(families.map(family => listRoutes(socket, family)))
  const links = await listLinks(socket)
  const tables = await Promise.all(
    (masquerade === 'iptables' ? [] : families).map(async family => ({
      family,
      isThere: (await listNftTableNames(family)).includes(ROUTES_TABLE),
    })),
  )
  return {
    routes: routes.flat(),
    links: new Map(links.map(({ index, name }) => [index, name])),
    notForwarding: families.filter(family => readSysctl(FORWARDING[family]) !== '1'),
    withoutTable: tables.filter(({ isThere }) => !isThere).map(({ family }) => family),
  }
}
