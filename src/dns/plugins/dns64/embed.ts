import { type IpAddress, ipFromBytes, ipToBytes } from '#net/ip.ts'
import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'

/** RFC 6052 section 2.2. */
const LENGTHS: readonly number[] = [32, 40, 48, 56, 64, 96]

/** A prefix that IPv4 addresses can be written into, or undefined. */
export function parseEmbeddingPrefix(text: string): IpPrefix | undefined {
  const prefix = parsePrefix(text)
  return prefix?.family === 6 && LENGTHS.includes(prefix.length) ? networkOf(prefix) : undefined
}

/** The IPv6 address that stands for an IPv4 address. Octet 8 stays zero (RFC 6052 section 2.2). */
export function embed({ address, length }: IpPrefix, ipv4: IpAddress): IpAddress {
  const octets = ipToBytes(address)
  let at = length / 8
  for (const octet of ipToBytes(ipv4)) {
    if (at === 8) at++
    octets[at++] = octet
  }
  return ipFromBytes(octets)
}
