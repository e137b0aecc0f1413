import { isIPv4, isIPv6, SocketAddress } from 'node:net'

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

/**
 * The address as an unsigned number of 32 or 128 bits. By hand: loading ip-num costs a CNI plugin 20 ms, as much as
 * everything else it does.
 */
export const ipToNumber = (ip: IpAddress): bigint =>
  familyOf(ip) === 4
    ? ip.split('.').reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)
    : ipv6Groups(ip).reduce((value, group) => (value << 16n) | BigInt(group), 0n)

/** The address of `family` with this number. Throws a RangeError when the number does not fit the family. */
export function ipFromNumber(family: IpFamily, value: bigint): IpAddress {
  if (value < 0n || value >= 1n << BigInt(addressBits(family))) {
    throw new RangeError(`${value} is not the number of an IPv${family} address`)
  }
  const bytes = new Uint8Array(addressBits(family) / 8)
  let rest = value
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return ipFromBytes(bytes)
}

/** The address in network byte order: 4 or 16 bytes. */
export function ipToBytes(ip: IpAddress): Uint8Array {
  if (familyOf(ip) === 4) return Uint8Array.from(ip.split('.'), Number)
  return Uint8Array.from(ipv6Groups(ip).flatMap(group => [group >> 8, group & 0xff]))
}

/** The eight groups of 16 bits of a canonical IPv6 address. */
function ipv6Groups(ip: IpAddress): readonly number[] {
  const [head = '', tail] = ip.split('::')
  const before = groupsOf(head)
  if (tail === undefined) return before
  const after = groupsOf(tail)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return [...before, ...zeros, ...after]
}

function groupsOf(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap(part => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    // IPv4-mapped addresses end in four octets (RFC 5952 section 5).
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
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
