import type { LinkAddress } from '#linux/netlink/address.ts'
import type { Link } from '#linux/netlink/link.ts'
import { addressBits, type IpAddress } from '#net/ip.ts'
import { type IpPrefix, networkOf } from '#net/prefix.ts'

/** The link by which this node is reached in one family: the one that has its address. */
export type Uplink = {
  readonly address: IpAddress
  readonly link: string
  readonly mtu: number
  /** The subnets on the link: a node with an address in one of them needs no router. */
  readonly connected: readonly IpPrefix[]
}

/** The link that has `address`, or undefined. */
export function uplinkOf(
  address: IpAddress,
  links: readonly Link[],
  addresses: readonly LinkAddress[],
): Uplink | undefined {
  const own = addresses.find(({ prefix }) => prefix.address === address)
  const link = links.find(({ index }) => index === own?.linkIndex)
  if (own === undefined || link === undefined) return undefined
  const connected = addresses
    .filter(({ linkIndex, isGlobal }) => linkIndex === link.index && isGlobal)
    .map(({ prefix }) => networkOf(prefix))
    .filter(({ family, length }) => family === own.prefix.family && length < addressBits(family))
  return { address, link: link.name, mtu: link.mtu, connected }
}
