import { createHash } from 'node:crypto'
import { type IpAddress, ipFromBytes } from '#net/ip.ts'
import { type MacAddress, macFromBytes, macToBytes } from '#net/mac.ts'
import { firstAddress, type IpPrefix } from '#net/prefix.ts'

/** A node's end of the tunnel, as every node works it out for itself from the node's podCIDR: nothing is learned. */
export type Vtep = {
  /** The first address of the podCIDR, which no pod has: the source of what the node itself sends to remote pods. */
  readonly address: IpAddress
  readonly mac: MacAddress
  /**
   * What routes to the node's pods name as next hop; only the neighbour entry looks at it. IPv6: the link-local address of
   * the MAC (RFC 4291 appendix A), as a global one would have to be on the link by some other route first.
   */
  readonly gateway: IpAddress
}

/** The end of the tunnel of the node that has this podCIDR. */
export function vtepOf(podCIDR: IpPrefix): Vtep {
  const address = firstAddress(podCIDR)
  const hash = createHash('sha256').update(`nodeplane vtep ${address}`).digest()
  // A locally administered unicast address (IEEE 802, section 8.2).
  const octets = Uint8Array.from(hash.subarray(0, 6))
  octets[0] = ((octets[0] as number) & 0xfc) | 0x02
  const mac = macFromBytes(octets)
  return { address, mac, gateway: podCIDR.family === 4 ? address : linkLocalOf(mac) }
}

function linkLocalOf(mac: MacAddress): IpAddress {
  const [a = 0, b = 0, c = 0, ...rest] = macToBytes(mac)
  const head = [0xfe, 0x80, 0, 0, 0, 0, 0, 0]
  return ipFromBytes(Uint8Array.from([...head, a ^ 0x02, b, c, 0xff, 0xfe, ...rest]))
}
