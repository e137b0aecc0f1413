import {
  addressBits,
  familyOf,
  type IpAddress,
  type IpFamily,
  ipFromNumber,
  ipToNumber,
  parseIp,
  unmapped,
  withoutLeadingZeros,
} from './ip.ts'

/** An address with a prefix length: a subnet, or a host's address in its subnet (host bits are kept). */
export type IpPrefix = {
  readonly family: IpFamily
  /** The address as written, canonical. */
  readonly address: IpAddress
  /** Prefix length in bits, 0–32 or 0–128. */
  readonly length: number
}

/** The prefix that `address/length` means, or undefined. Strict, see {@link parseIp}. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text)
  const address = match?.[1] === undefined ? undefined : parseIp(match[1])
  if (address === undefined) return undefined
  const family = familyOf(address)
  const length = Number(match?.[2])
  return length <= addressBits(family) ? { family, address, length } : undefined
}

/** As {@link parsePrefix}, with kube-proxy's tolerance for leading zeros (`203.0.113.000/025`). */
export function parsePrefixLenient(text: string): IpPrefix | undefined {
  return parsePrefix(withoutLeadingZeros(text).replace(/\/0+(?=[0-9])/, '/'))
}

/** As {@link parsePrefixLenient}, but a range of IPv4-mapped addresses is the IPv4 one it means, as in kube-proxy. */
export function parsePrefixUnmapped(text: string): IpPrefix | undefined {
  const prefix = parsePrefixLenient(text)
  const address = prefix && unmapped(prefix.address)
  const length = (prefix?.length ?? 0) - MAPPED_BITS
  if (address === undefined || address === prefix?.address || length < 0) return prefix
  return { family: 4, address, length }
}

/** The bits that all IPv4-mapped addresses share. */
const MAPPED_BITS = 96

/** The prefix of one address alone: /32 or /128. */
export function hostPrefix(address: IpAddress): IpPrefix {
  const family = familyOf(address)
  return { family, address, length: addressBits(family) }
}

/** `address/length`. */
export const formatPrefix = ({ address, length }: IpPrefix): string => `${address}/${length}`

/** The same prefix with all host bits zero. */
export function networkOf(prefix: IpPrefix): IpPrefix {
  return { ...prefix, address: firstAddress(prefix) }
}

/** The lowest address of the prefix: its network address. */
export function firstAddress({ family, address, length }: IpPrefix): IpAddress {
  const hostBits = BigInt(addressBits(family) - length)
  return ipFromNumber(family, (ipToNumber(address) >> hostBits) << hostBits)
}

/** The highest address of the prefix: for IPv4 its broadcast address. */
export function lastAddress({ family, address, length }: IpPrefix): IpAddress {
  const hostBits = BigInt(addressBits(family) - length)
  return ipFromNumber(family, ipToNumber(address) | ((1n << hostBits) - 1n))
}

/** Does the prefix hold this address? Always false for the other family. */
export function prefixContains(prefix: IpPrefix, ip: IpAddress): boolean {
  if (familyOf(ip) !== prefix.family) return false
  const hostBits = BigInt(addressBits(prefix.family) - prefix.length)
  return ipToNumber(prefix.address) >> hostBits === ipToNumber(ip) >> hostBits
}

/** Do two prefixes share an address? */
export function prefixesOverlap(a: IpPrefix, b: IpPrefix): boolean {
  return a.length <= b.length ? prefixContains(a, b.address) : prefixContains(b, a.address)
}
