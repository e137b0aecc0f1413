/** An IP address family, by its number. */
export type IpFamily = 4 | 6

/** Both families, in the order in which everything is done per family. */
export const ipFamilies: readonly IpFamily[] = [4, 6]

/** The text of an IP address in its canonical form (RFC 5952 for IPv6), so equal addresses are equal strings. */
export type IpAddress = string & { readonly __brand: 'IpAddress' }

/** Bits of an address of a family: 32 or 128. */
export const addressBits = (family: IpFamily): 32 | 128 => (family === 4 ? 32 : 128)

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const IPV4 = new RegExp(`^(?:${OCTET}\\.){3}${OCTET}$`)

/**
 * The address that `text` means, or undefined when it means none. Strict: no leading zeros in IPv4 octets,
 * no zone id, no blanks. By hand, because node:net compiles an expression for 6 ms at its first IPv6 address, and a
 * CNI plugin is a process per call.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) return IPV4.test(text) ? (text as IpAddress) : undefined
  const groups = parseIpv6Groups(text)
  return groups && formatIpv6(groups)
}

/**
 * As {@link parseIp}, but leading zeros of IPv4 octets are decimal (`172.30.0.041` is 172.30.0.41), which is how
 * kube-proxy reads addresses that old API servers let in.
 */
export function parseIpLenient(text: string): IpAddress | undefined {
  return parseIp(withoutLeadingZeros(text))
}

/**
 * As {@link parseIpLenient}, but an IPv4-mapped address (`::ffff:1.2.3.4`, RFC 4291 section 2.5.5.2) is the IPv4 address it
 * means: Go's net.IP knows no other, so it is what kube-proxy makes rules of.
 */
export function parseIpUnmapped(text: string): IpAddress | undefined {
  const ip = parseIpLenient(text)
  return ip && unmapped(ip)
}

/** The IPv4 address that an IPv4-mapped one means; any other as it is. */
export const unmapped = (ip: IpAddress): IpAddress =>
  (ip.startsWith(MAPPED) && ip.includes('.') ? ip.slice(MAPPED.length) : ip) as IpAddress

/** How the canonical text of IPv4-mapped addresses begins, an IPv4 address follows. */
const MAPPED = '::ffff:'

/** The family of a canonical address. */
export const familyOf = (ip: IpAddress): IpFamily => (ip.includes(':') ? 6 : 4)

/** The address as an unsigned number of 32 or 128 bits. */
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
  if (familyOf(ip) === 4) return ipv4Bytes(ip)
  return Uint8Array.from(ipv6Groups(ip).flatMap(group => [group >> 8, group & 0xff]))
}

/** By hand: split and Number take four times as long, and DNS answers are made of addresses. */
function ipv4Bytes(ip: IpAddress): Uint8Array {
  const bytes = new Uint8Array(4)
  let at = 0
  for (let index = 0; index < ip.length; index++) {
    const digit = ip.charCodeAt(index) - 0x30
    if (digit < 0) at++
    else bytes[at] = (bytes[at] as number) * 10 + digit
  }
  return bytes
}

/** The address that 4 or 16 bytes in network order mean. Throws a RangeError for any other length. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as IpAddress
  if (bytes.length !== 16)
    throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`)
  const groups: number[] = []
  for (let index = 0; index < 16; index += 2) {
    groups.push(((bytes[index] as number) << 8) | (bytes[index + 1] as number))
  }
  return formatIpv6(groups)
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

/** Does an address mean something on one link only (169.254.0.0/16, RFC 3927; fe80::/10, RFC 4291)? */
export const isLinkLocal = (ip: IpAddress): boolean => /^(?:fe[89ab][0-9a-f]:|169\.254\.)/.test(ip)

/** `address:port` as URLs and logs write it, IPv6 in brackets. */
export const formatHostPort = (ip: IpAddress, port: number): string =>
  familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`

/** IPv4 text with the leading zeros of its octets taken away; any other text unchanged. */
export function withoutLeadingZeros(text: string): string {
  return /^[0-9.]+(\/|$)/.test(text) ? text.replace(/(^|\.)0+(?=[0-9])/g, '$1') : text
}

const ipv6Groups = (ip: IpAddress): readonly number[] => parseIpv6Groups(ip) as readonly number[]

/** The eight groups of 16 bits that the text of an IPv6 address means (RFC 4291 section 2.2), or undefined. */
function parseIpv6Groups(text: string): readonly number[] | undefined {
  // The longest text there is has 45 characters: six groups and an IPv4 address.
  if (text.length > 45) return undefined
  const [head = '', tail, ...more] = text.split('::')
  const before = parseGroups(head, tail === undefined)
  const after = parseGroups(tail ?? '', true)
  if (more.length > 0 || before === undefined || after === undefined) return undefined
  const missing = 8 - before.length - after.length
  if (tail === undefined) return missing === 0 ? before : undefined
  return missing < 1
    ? undefined
    : [...before, ...Array.from({ length: missing }, () => 0), ...after]
}

/** Groups joined by colons; the last 32 bits of an address may be written like IPv4. */
function parseGroups(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else if (isEnd && index === parts.length - 1 && IPV4.test(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
      groups.push((a << 8) | b, (c << 8) | d)
    } else return undefined
  }
  return groups
}

/**
 * Eight groups as text in the form of RFC 5952: the first longest run of at least two zero groups shortened, and, as
 * inet_ntop(3) does, IPv4-mapped and IPv4-compatible addresses ending like IPv4.
 */
function formatIpv6(groups: readonly number[]): IpAddress {
  const run = longestZeroRun(groups)
  const isMapped = run.start === 0 && run.length === 5 && groups[5] === 0xffff
  const isCompatible = run.start === 0 && run.length === 6
  const texts = groups.map(group => group.toString(16))
  if (isMapped || isCompatible) {
    const [high = 0, low = 0] = groups.slice(6)
    texts.splice(6, 2, [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.'))
  }
  if (run.length < 2) return texts.join(':') as IpAddress
  const [before, after] = [texts.slice(0, run.start), texts.slice(run.start + run.length)]
  return `${before.join(':')}::${after.join(':')}` as IpAddress
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: index - length + 1, length }
  }
  return best
}
