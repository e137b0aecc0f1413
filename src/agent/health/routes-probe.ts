import { listLinks } from '#linux/netlink/link.ts'
import { lookUpRoute, type RouteLookup } from '#linux/netlink/route-lookup.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { addressBits, type IpAddress, ipFromNumber, ipToNumber } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, networkOf } from '#net/prefix.ts'
import type { PlannedRoute } from '#routes/plan.ts'
import { failed, ok, type ProbeResult, skipped } from './probe.ts'

/** Look-ups of one probe, about 20 µs each: in a larger cluster every route has its turn after some probes. */
const ROUTES_AT_ONCE = 64

/** Asks the kernel for the way to other nodes' pods and compares it with the plan: a route of somebody else may come first. */
export class RoutesProbe {
  #next = 0

  /** @throws {NetlinkError} */
  async look(planned: readonly PlannedRoute[]): Promise<ProbeResult> {
    if (planned.length === 0) return skipped('no other node has pods')
    using socket = NetlinkSocket.open()
    const links = new Map((await listLinks(socket)).map(({ index, name }) => [index, name]))
    for (const route of this.#turn(planned)) {
      const found = await lookUpRoute(socket, hostIn(route.destination))
      const reason = whyOther(route, found, index => links.get(index))
      if (reason === undefined) continue
      const { node, destination } = route
      return failed(`pods of ${node} (${formatPrefix(destination)}) are not reached: ${reason}`)
    }
    return ok
  }

  /** Those that are looked up now. */
  #turn(planned: readonly PlannedRoute[]): readonly PlannedRoute[] {
    if (this.#next >= planned.length) this.#next = 0
    const turn = planned.slice(this.#next, this.#next + ROUTES_AT_ONCE)
    this.#next += turn.length
    return turn
  }
}

/** Pure: in what the kernel's way differs from the planned one; undefined when it does not. */
export function whyOther(
  { link, gateway }: Pick<PlannedRoute, 'link' | 'gateway'>,
  found: RouteLookup,
  linkName: (index: number) => string | undefined,
): string | undefined {
  if (found.kind === 'none') return found.reason
  if (found.kind === 'local') return 'this node has their address'
  const name = linkName(found.linkIndex) ?? `link ${found.linkIndex}`
  if (name === link && found.gateway === gateway) return undefined
  const via = found.gateway === undefined ? '' : ` via ${found.gateway}`
  return `packets leave by ${name}${via} instead of ${link} via ${gateway}`
}

/** An address that a pod may have: the one after the network's own. */
function hostIn(prefix: IpPrefix): IpAddress {
  const { family, address, length } = networkOf(prefix)
  return length >= addressBits(family) - 1
    ? address
    : ipFromNumber(family, ipToNumber(address) + 1n)
}
