import type { Link } from '#linux/netlink/link.ts'
import { MAIN_TABLE, type Route } from '#linux/netlink/route.ts'
import type { Rule } from '#linux/netlink/rule.ts'
import type { IpFamily } from '#net/ip.ts'
import { hostPrefix, type IpPrefix, parsePrefix } from '#net/prefix.ts'
import type { CniIp } from '../spec/result.ts'

/** What the container has: both families, all tables. */
export type Routing = { readonly routes: readonly Route[]; readonly rules: readonly Rule[] }

/** What source-based routing makes of it. */
export type RoutingPlan = {
  /** In order: those to the link before those by a gateway on it. */
  readonly routes: readonly Route[]
  readonly rules: readonly Rule[]
  /** Those of the main table that were copied. */
  readonly obsolete: readonly Route[]
}

/** Where the search for free tables begins. */
const FIRST_TABLE = 100

/**
 * What comes from an address of the interface is looked up in a table of that address, which has the interface's routes and a
 * default route by the address's gateway. The main table keeps those of other interfaces.
 * @param table for all addresses; undefined: the first free ones.
 */
export function planRouting(
  {
    link,
    ips,
    table,
  }: { link: Pick<Link, 'index'>; ips: readonly CniIp[]; table: number | undefined },
  present: Routing,
): RoutingPlan {
  const obsolete = present.routes.filter(
    route => route.linkIndex === link.index && (route.table ?? MAIN_TABLE) === MAIN_TABLE,
  )
  const tables = table === undefined ? freeTables(present) : undefined
  const found = ips.map(ip => {
    const { address, gateway } = ip
    const own = table ?? (tables?.next().value as number)
    const copies = obsolete
      .filter(({ destination }) => destination.family === address.family)
      .map(route => ({ ...route, table: own }))
      .toSorted((a, b) => a.gateways.length - b.gateways.length)
    const byGateway: Route = {
      destination: everything(address.family),
      linkIndex: link.index,
      gateways: gateway === undefined ? [] : [gateway],
      table: own,
    }
    const hasDefault = copies.some(({ destination }) => destination.length === 0)
    const routes = gateway === undefined || hasDefault ? copies : [...copies, byGateway]
    const rule: Rule = { family: address.family, source: hostPrefix(address.address), table: own }
    return { routes, rule }
  })
  return {
    routes: found.flatMap(({ routes }) => routes),
    rules: found.map(({ rule }) => rule),
    // A link-local address is of the link itself: without its route neighbour discovery has no way.
    obsolete: obsolete.filter(({ destination }) => !destination.address.startsWith('fe80:')),
  }
}

function* freeTables({ routes, rules }: Routing): Generator<number, never> {
  const taken = new Set([...routes, ...rules].map(({ table }) => table))
  for (let table = FIRST_TABLE; ; table++) if (!taken.has(table)) yield table
}

const everything = (family: IpFamily): IpPrefix =>
  parsePrefix(family === 4 ? '0.0.0.0/0' : '::/0') as IpPrefix

/** The rules for the interface's addresses, and the routes of the tables they lead to: what DEL removes. */
export function routingOf(
  addresses: readonly IpPrefix[],
  link: Pick<Link, 'index'>,
  { routes, rules }: Routing,
): Routing {
  const own = new Set(addresses.map(({ address }) => address))
  const ofAddresses = rules.filter(
    ({ source, table }) => table !== MAIN_TABLE && source !== undefined && own.has(source.address),
  )
  const tables = new Set(ofAddresses.map(({ table }) => table))
  return {
    rules: ofAddresses,
    routes: routes.filter(
      ({ table, linkIndex }) =>
        linkIndex === link.index && table !== undefined && tables.has(table),
    ),
  }
}

/** What of the interface's addresses has no rule, or no route in the rule's table. */
export function routingDifferences(ips: readonly CniIp[], present: Routing): readonly string[] {
  return ips.flatMap(({ address: { address }, gateway }) => {
    const rule = present.rules.find(
      ({ source, table }) => source?.address === address && table !== MAIN_TABLE,
    )
    if (rule === undefined) return [`there is no rule for what comes from ${address}`]
    const isRouted = present.routes.some(
      ({ destination, table }) => table === rule.table && destination.length === 0,
    )
    if (gateway === undefined || isRouted) return []
    return [`table ${rule.table} for ${address} has no default route`]
  })
}
