import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { IPv4, IPv6 } from 'ip-num'

/** An IP address family, by its number. */
export type IpFamily = 4 | 6

/** Both families, in the order in which everything is done per family. */
export const ipFamilies: readonly IpFamily[] = [4, 6]

/** The text of an IP address in its canonical form (RFC 5952 for IPv6), so equal addresses are equal strings. */
export type IpAddress = string & { readonly __brand: 'IpAddress' }

/** Bits of an address of a family: 32 or 128. */
export const addressBits = (family: IpFamily): 32 | 128 => (family === 4 ? 32 : 128)

/**
 * The address that `text` means, or undefined when it means none. Strict: no leading zeros in IPv4 octets,
 * no zone id, no blanks.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (isIPv4(text)) return text as IpAddress
  if (!isIPv6(text) || text.includes('%')) return undefined
  return new SocketAddress({ address: text, family: 'ipv6' }).address as IpAddress
}

/**
 * As {@link parseIp}, but leading zeros of IPv4 octets are decimal (`172.30.0.041` is 172.30.0.41), which is how
 * kube-proxy reads addresses that old API servers let in.
 */
export function parseIpLenient(text: string): IpAddress | undefined {
  return parseIp(withoutLeadingZeros(text))
}

/** The family of a canonical address. */
export const familyOf = (ip: IpAddress): IpFamily => (ip.includes(':') ? 6 : 4)

/** The address as an unsigned number of 32 or 128 bits. */
export function ipToNumber(ip: IpAddress): bigint {
  return (familyOf(ip) === 4 ? new IPv4(ip) : new IPv6(ip)).getValue()
}

/** The address of `family` with this number. Throws a RangeError when the number does not fit the family. */
export function ipFromNumber(family: IpFamily, value: bigint): IpAddress {
  if (value < 0n || value >= 1n << BigInt(addressBits(family))) {
    throw new RangeError(`${value} is not the number of an IPv${family} address`)
  }
  const text = family === 4 ? new IPv4(value).toString() : new IPv6(value).toString()
  return parseIp(text) as IpAddress
}

/** The address in network byte order: 4 or 16 bytes. */
export function ipToBytes(ip: IpAddress): Uint8Array {
  const family = familyOf(ip)
  const bytes = new Uint8Array(family === 4 ? 4 : 16)
  if (family === 4) {
    ip.split('.').forEach((octet, index) => {
      bytes[index] = Number(octet)
    })
    return bytes
  }
  let value = ipToNumber(ip)
  for (let index = 15; index >= 0; index--) {
    bytes[index] = Number(value & 0xffn)
    value >>= 8n
  }
  return bytes
}

/** The address that 4 or 16 bytes in network order mean. Throws a RangeError for any other length. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return bytes.join('.') as IpAddress
  if (bytes.length !== 16)
    throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`)
  const groups: string[] = []
  for (let index = 0; index < 16; index += 2) {
    groups.push((((bytes[index] as number) << 8) | (bytes[index + 1] as number)).toString(16))
  }
  return parseIp(groups.join(':')) as IpAddress
}

/** Orders addresses: IPv4 before IPv6, then by number. For sorting. */
export function compareIps(a: IpAddress, b: IpAddress): number {
  if (a === b) return 0
  const byFamily = familyOf(a) - familyOf(b)
  if (byFamily !== 0) return byFamily
  return ipToNumber(a) < ipToNumber(b) ? -1 : 1
}

/** Is this a loopback address (127.0.0.0/8 or ::1)? */
export const isLoopback = (ip: IpAddress): boolean => ip.startsWith('127.') || ip === '::1'

/** `address:port` as URLs and logs write it, IPv6 in brackets. */
export const formatHostPort = (ip: IpAddress, port: number): string =>
  familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`

/** IPv4 text with the leading zeros of its octets taken away; any other text unchanged. */
export function withoutLeadingZeros(text: string): string {
  return /^[0-9.]+(\/|$)/.test(text) ? text.replace(/(^|\.)0+(?=[0-9])/g, '$1') : text
}
