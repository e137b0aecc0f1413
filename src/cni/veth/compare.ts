import type { LinkAddress } from '#linux/netlink/address.ts'
import type { Link } from '#linux/netlink/link.ts'
import type { Route } from '#linux/netlink/route.ts'
import { familyOf } from '#net/ip.ts'
import { formatPrefix, prefixContains } from '#net/prefix.ts'
import type { CniInterface, CniIp, CniRoute } from '../spec/result.ts'

/** What the kernel has of an attachment by a veth pair; undefined for links that are not there. */
export type VethState = {
  readonly containerLink: Link | undefined
  /** The other end of the container's link. */
  readonly hostLink: Link | undefined
  /** Of the container's link. */
  readonly addresses: readonly LinkAddress[]
  /** Of the container, both families. */
  readonly routes: readonly Route[]
  /** The addresses for which the attachment has masquerade rules. */
  readonly masqueraded: readonly string[]
}

/** How the container's interface is not as its result says. */
export function containerDifferences(recorded: CniInterface, { containerLink }: VethState) {
  const { name, mac } = recorded
  if (containerLink === undefined) return [`interface ${name} is missing in the container`]
  if (containerLink.kind !== 'veth') return [`interface ${name} is not a veth`]
  const isSameMac = mac === undefined || mac.toLowerCase() === containerLink.mac
  return isSameMac ? [] : [`interface ${name} has the MAC ${containerLink.mac}, not ${mac}`]
}

/** What is missing of an address and of the way to its gateway. */
export function addressDifferences({ address, gateway }: CniIp, state: VethState) {
  const text = formatPrefix(address)
  const hasAddress = state.addresses.some(({ prefix }) => formatPrefix(prefix) === text)
  if (!hasAddress) return [`address ${text} is missing`]
  const isReached = (route: Route) =>
    gateway !== undefined &&
    route.linkIndex === state.containerLink?.index &&
    route.gateways.length === 0 &&
    prefixContains(route.destination, gateway)
  if (gateway === undefined || state.routes.some(isReached)) return []
  return [`no connected route to gateway ${gateway}`]
}

/** Is a route missing? */
export function routeDifferences({ dst, gw, table }: CniRoute, { routes }: VethState) {
  const text = formatPrefix(dst)
  const matches = (route: Route) =>
    formatPrefix(route.destination) === text &&
    // Without a table any will do: a plugin later in the chain (sbr) may have moved the route.
    (table === undefined || route.table === table) &&
    (gw === undefined || route.gateways.includes(gw))
  if (routes.some(matches)) return []
  return [`route to ${text}${gw === undefined ? '' : ` via ${gw}`} is missing`]
}

/** Is an address not masqueraded? */
export function masqueradeDifferences({ address }: CniIp, { masqueraded }: VethState) {
  if (masqueraded.includes(address.address)) return []
  return [`IPv${familyOf(address.address)} masquerading of ${address.address} is missing`]
}
