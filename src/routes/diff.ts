import { listLinks } from '#linux/netlink/link.ts'
import { listRoutes, type Route } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { listNftTableNames } from '#linux/nft-tables.ts'
import { readSysctl } from '#linux/sysctl.ts'
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
  readonly notForwarding: readonly Plan['uplinks'][number]['family'][]
  /** The families whose table is not there; undefined: the rules are not in tables of ours. */
  readonly withoutTable: readonly Plan['uplinks'][number]['family'][] | undefined
}

/** In what the kernel differs from the plan; writes nothing. What is in a masquerade table is not looked at. */
export function planDifferences(plan: Plan, found: RoutesFound): readonly RoutesDifference[] {
  const indexes = new Map([...found.links].map(([index, name]) => [name, index]))
  const wanted = kernelRoutes(plan.routes, link => indexes.get(link))
  const { set, remove, taken } = diffRoutes(wanted, found.routes)
  const text = (route: Route) => routeText(route, found.links)
  const isReplaced = (route: Route) => (other: Route) =>
    isOurs(other) && formatPrefix(other.destination) === formatPrefix(route.destination)
  const present = (route: Route) => found.routes.find(isReplaced(route))
  const missingLinks = new Set(
    [...plan.routes, ...plan.tunnels.map(({ name }) => ({ link: name }))]
      .map(({ link }) => link)
      .filter(link => !indexes.has(link)),
  )
  return [
    ...[...missingLinks].map(link => ({ place: `link ${link}`, wanted: 'is there' })),
    ...plan.routes
      .filter(({ link }) => missingLinks.has(link))
      .map(({ destination, gateway, link }) => ({
        place: 'routes',
        wanted: `${formatPrefix(destination)} via ${gateway} dev ${link}`,
      })),
    ...set.map(route => {
      const other = present(route)
      return { place: 'routes', wanted: text(route), found: other && text(other) }
    }),
    ...remove.map(route => ({ place: 'routes', found: text(route) })),
    ...taken.map(route => ({
      place: 'routes',
      wanted: text(route),
      found: "somebody else's route with this destination and metric",
    })),
    ...found.notForwarding.map(family => ({
      place: `sysctl ${FORWARDING[family]}`,
      wanted: '1',
      found: '0',
    })),
    ...plan.masquerades
      .filter(({ family }) => found.withoutTable?.includes(family))
      .map(({ family }) => ({
        place: `table ${family === 4 ? 'ip' : 'ip6'} ${ROUTES_TABLE}`,
        wanted: 'is there',
      })),
  ]
}

function routeText(
  { destination, gateways, linkIndex }: Route,
  links: ReadonlyMap<number, string>,
): string {
  const via = gateways.length === 0 ? '' : ` via ${gateways.join(',')}`
  const link = linkIndex === undefined ? '' : ` dev ${links.get(linkIndex) ?? linkIndex}`
  return `${formatPrefix(destination)}${via}${link}`
}

/** Reads what a plan is compared with. @throws {NetlinkError} @throws {ExecError} */
export async function readFound(
  plan: Plan,
  masquerade: MasqueradeBackend,
  signal: AbortSignal,
): Promise<RoutesFound> {
  using socket = NetlinkSocket.open()
  const families = plan.uplinks.map(({ family }) => family)
  const routes = await Promise.all(families.map(family => listRoutes(socket, family)))
  const links = await listLinks(socket)
  const tables = await Promise.all(
    (masquerade === 'iptables' ? [] : families).map(async family => ({
      family,
      isThere: (await listNftTableNames(family, signal)).includes(ROUTES_TABLE),
    })),
  )
  return {
    routes: routes.flat(),
    links: new Map(links.map(({ index, name }) => [index, name])),
    notForwarding: families.filter(family => readSysctl(FORWARDING[family]) !== '1'),
    withoutTable: tables.filter(({ isThere }) => !isThere).map(({ family }) => family),
  }
}
