import { type IpAddress, ipFromBytes } from '#net/ip.ts'

/** Numbers of the kernel (bits/socket.h, linux/in.h, linux/in6.h). */
const AF_INET = 2
const AF_INET6 = 10
const SOL_IP = 0
const IP_PKTINFO = 8
const SOL_IPV6 = 41
const IPV6_PKTINFO = 50

/** Where things lie in the control message of a wildcard socket, octets. */
const CONTROL = {
  LEVEL: 8,
  TYPE: 12,
  /** struct in_pktinfo: interface, the address to answer from, the address asked. */
  V4_INTERFACE: 16,
  V4_ADDRESS: 24,
  /** struct in6_pktinfo: the address asked, interface. */
  V6_ADDRESS: 16,
  V6_INTERFACE: 32,
} as const

/** The address and port in a struct sockaddr; IPv4 in IPv6's dress is undressed. undefined: of another family. */
export function endpointFrom(
  name: Uint8Array,
): { readonly address: IpAddress; readonly port: number } | undefined {
  const family = (name[0] ?? 0) | ((name[1] ?? 0) << 8)
  const port = ((name[2] ?? 0) << 8) | (name[3] ?? 0)
  if (family === AF_INET) return { address: ipFromBytes(name.slice(4, 8)), port }
  if (family === AF_INET6) return { address: fromIpv6Octets(name.slice(8, 24)), port }
  return undefined
}

/** The address that a packet to a wildcard socket was sent to; undefined: it was not told. */
export function destinationFrom(control: Uint8Array): IpAddress | undefined {
  if (isControl(control, SOL_IP, IP_PKTINFO)) {
    return ipFromBytes(control.slice(CONTROL.V4_ADDRESS, CONTROL.V4_ADDRESS + 4))
  }
  if (isControl(control, SOL_IPV6, IPV6_PKTINFO)) {
    return fromIpv6Octets(control.slice(CONTROL.V6_ADDRESS, CONTROL.V6_ADDRESS + 16))
  }
  return undefined
}

const isControl = (control: Uint8Array, level: number, type: number): boolean =>
  control.length > CONTROL.V4_INTERFACE &&
  control[CONTROL.LEVEL] === level &&
  control[CONTROL.TYPE] === type

/**
 * Makes the control message of a query that of its answer, in place, starting at `start`: the address that was asked becomes the
 * source, and routing chooses the interface again. Only a link-local address keeps its interface, which it means nothing without.
 */
export function answerFromWhereAsked(memory: Uint8Array, start: number): void {
  const isV6 = memory[start + CONTROL.LEVEL] === SOL_IPV6
  const isLinkLocal =
    isV6 &&
    memory[start + CONTROL.V6_ADDRESS] === 0xfe &&
    ((memory[start + CONTROL.V6_ADDRESS + 1] as number) & 0xc0) === 0x80
  if (!isLinkLocal)
    memory.fill(
      0,
      start + (isV6 ? CONTROL.V6_INTERFACE : CONTROL.V4_INTERFACE),
      start + (isV6 ? CONTROL.V6_INTERFACE : CONTROL.V4_INTERFACE) + 4,
    )
}

/** Is this the address of a client of IPv4 on a socket of either family? Allocates nothing. */
export function isIpv4Name(memory: Uint8Array, start: number): boolean {
  if (memory[start] === AF_INET) return true
  for (let at = start + 8; at < start + 18; at++) if (memory[at] !== 0) return false
  return memory[start + 18] === 0xff && memory[start + 19] === 0xff
}

/** RFC 4291 section 2.5.5.2: ::ffff:0:0/96 is IPv4. */
function fromIpv6Octets(octets: Uint8Array): IpAddress {
  const isMapped =
    octets[10] === 0xff && octets[11] === 0xff && octets.subarray(0, 10).every(octet => octet === 0)
  return ipFromBytes(isMapped ? octets.slice(12) : octets)
}
