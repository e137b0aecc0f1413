import { NetworkNamespace } from '#linux/namespace.ts'
import type { SeenNamespace } from '#linux/namespace-list.ts'
import { findLink } from '#linux/netlink/link.ts'
import { lookUpRoute } from '#linux/netlink/route-lookup.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { readSysctl } from '#linux/sysctl.ts'
import { familyOf, type IpAddress } from '#net/ip.ts'
import { errnoCode } from '#runtime/error.ts'
import type { HostLink, PodLink, RouteFacts } from '../facts.ts'

/** How a packet to an address goes on, from a namespace or, without one, from the node. @throws {NetlinkError} */
export async function routeFrom(
  namespace: SeenNamespace | undefined,
  to: IpAddress,
): Promise<RouteFacts> {
  using opened = namespace && NetworkNamespace.open(namespace.path)
  using socket = NetlinkSocket.open(opened)
  const found = await lookUpRoute(socket, to)
  if (found.kind !== 'unicast') return { to, kind: found.kind }
  const { prefix, gateway, linkIndex } = found
  const link = await findLink(socket, linkIndex)
  return { to, kind: 'unicast', prefix, gateway, link: link && { name: link.name, mtu: link.mtu } }
}

/** The interface by which a pod of this node has an address. @throws {NetlinkError} */
export async function podLinkOf(
  namespace: SeenNamespace,
  address: IpAddress,
): Promise<PodLink | undefined> {
  const name = namespace.addresses.find(each => each.address === address)?.link
  if (name === undefined) return undefined
  using opened = NetworkNamespace.open(namespace.path)
  using inside = NetlinkSocket.open(opened)
  const link = await findLink(inside, name)
  if (link === undefined) return undefined
  const out = await lookUpRoute(inside, familyOf(address) === 4 ? ANYWHERE_4 : ANYWHERE_6)
  const routeMtu = out.kind === 'unicast' ? out.mtu : undefined
  const mtu = Math.min(link.mtu, routeMtu ?? link.mtu)
  return { name, mtu, host: await hostLinkOf(link.index, link.peerIndex, familyOf(address)) }
}

/** Addresses for documentation (RFC 5737, RFC 3849): what leads there is the default route. */
const ANYWHERE_4 = '192.0.2.1' as IpAddress
const ANYWHERE_6 = '2001:db8::1' as IpAddress

/** The host's end of a veth pair. */
async function hostLinkOf(
  podIndex: number,
  hostIndex: number | undefined,
  family: 4 | 6,
): Promise<HostLink | undefined> {
  if (hostIndex === undefined) return undefined
  using socket = NetlinkSocket.open()
  const link = await findLink(socket, hostIndex)
  // An index says something in its own namespace only: the far end may be in another one than ours.
  if (link?.kind !== 'veth' || link.peerIndex !== podIndex) return undefined
  const master =
    link.masterIndex === undefined ? undefined : await findLink(socket, link.masterIndex)
  return {
    name: link.name,
    mtu: link.mtu,
    bridge:
      master?.kind === 'bridge'
        ? { name: master.name, mtu: master.mtu, isPromiscuous: master.isPromiscuous }
        : undefined,
    hairpin: link.bridgePort?.hairpin,
    isBridgeFiltered: isBridgeFiltered(family),
  }
}

/** Without br_netfilter there is no such setting. */
function isBridgeFiltered(family: 4 | 6): boolean {
  try {
    return (
      readSysctl(`net/bridge/bridge-nf-call-${family === 4 ? 'iptables' : 'ip6tables'}`) === '1'
    )
  } catch (error) {
    if (errnoCode((error as Error).cause) === 'ENOENT') return false
    throw error
  }
}
