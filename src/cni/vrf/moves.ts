import type { LinkAddress } from '#linux/netlink/address.ts'
import { MAIN_TABLE, type Route } from '#linux/netlink/route.ts'
import { formatPrefix } from '#net/prefix.ts'

/** RT_TABLE_DEFAULT, MAIN and LOCAL (linux/rtnetlink.h). */
const RESERVED_TABLES: readonly number[] = [253, 254, 255]
/** RTPROT_KERNEL: a route that comes with an address, and comes again with it. */
const RTPROT_KERNEL = 2

/** The first table that nobody has. */
export function freeTable(taken: Iterable<number>): number {
  const all = new Set([...RESERVED_TABLES, ...taken])
  let table = 1
  while (all.has(table)) table++
  return table
}

/** The IPv6 addresses that a link lost when it became a port: the kernel sets it down for that. */
export function lostAddresses(
  before: readonly LinkAddress[],
  after: readonly LinkAddress[],
): readonly LinkAddress[] {
  const left = new Set(after.map(({ prefix }) => formatPrefix(prefix)))
  return before.filter(({ prefix, isGlobal }) => isGlobal && !left.has(formatPrefix(prefix)))
}

/** The link's routes of the main table as they are to be in another; those on the link first, which others need. */
export const movedRoutes = (
  routes: readonly Route[],
  linkIndex: number,
  table: number,
): readonly Route[] =>
  routes
    .filter(
      route =>
        route.linkIndex === linkIndex &&
        (route.table ?? MAIN_TABLE) === MAIN_TABLE &&
        route.protocol !== RTPROT_KERNEL,
    )
    .map(route => ({ ...route, table }))
    .toSorted((a, b) => a.gateways.length - b.gateways.length)
