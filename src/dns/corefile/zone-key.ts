import { addressBits, type IpAddress, ipFromNumber, ipToBytes, ipToNumber } from '#net/ip.ts'
import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'
import { normalizeName } from '../name.ts'

/** How queries come: plain UDP and TCP, DNS over TLS (RFC 7858), DNS over HTTPS (RFC 8484), CoreDNS's gRPC service. */
export type Scheme = 'dns' | 'tls' | 'https' | 'grpc'

/** A key of a server block: `[scheme://]zone[:port]`. */
export type ZoneKey = {
  readonly scheme: Scheme
  /** Lower case, ending in a dot; several for a prefix that does not end on a label. */
  readonly zones: readonly string[]
  /** undefined: the key names none. */
  readonly port: number | undefined
}

const schemes: ReadonlySet<string> = new Set<Scheme>(['dns', 'tls', 'https', 'grpc'])

const isScheme = (text: string): text is Scheme => schemes.has(text)

/** Schemes of CoreDNS that need QUIC, which Node has not, and what to serve instead. */
const insteadOfQuic: Readonly<Record<string, string>> = { quic: 'tls', https3: 'https' }

/** Reads a key. A string says what is wrong with it. */
export function parseZoneKey(text: string): ZoneKey | string {
  const [, scheme = 'dns', rest = ''] = /^(?:([a-z0-9]+):\/\/)?(.*)$/is.exec(text) ?? []
  if (Object.hasOwn(insteadOfQuic, scheme)) {
    return `${text}: ${scheme}:// is known but not supported; serve ${insteadOfQuic[scheme]}://, or put a proxy that speaks ${scheme} before it`
  }
  if (!isScheme(scheme)) {
    return `${text}: unknown scheme '${scheme}', use one of ${[...schemes].join(', ')}`
  }
  // A port is digits behind the last colon; a reverse zone of IPv6 (`2001:db8::/64`) ends in its length.
  const [, host = rest, portText] = /^(.*):([0-9]+)$/s.exec(rest) ?? []
  const port = portText === undefined ? undefined : Number(portText)
  if (port !== undefined && port > 65535) return `${text}: ${port} is not a port, use 1 to 65535`
  if (rest.endsWith(':')) return `${text}: the port is missing`
  const zones = parseZones(host === '' ? '.' : host)
  return zones === undefined ? `${text}: '${host}' is not a domain name` : { scheme, zones, port }
}

/** The zones that a name or a prefix in CIDR form means, or undefined when it is neither. */
export function parseZones(text: string): readonly string[] | undefined {
  const prefix = parsePrefix(text)
  if (prefix !== undefined) return reverseZones(prefix)
  const name = normalizeName(text)
  return name === undefined ? undefined : [name]
}

/**
 * The reverse zones that cover a prefix exactly: one when it ends on an octet (IPv4) or nibble (IPv6), else up to 128 of the next
 * finer boundary.
 */
export function reverseZones(prefix: IpPrefix): readonly string[] {
  const { family, length } = prefix
  const bitsPerLabel = family === 4 ? 8 : 4
  const labels = Math.ceil(length / bitsPerLabel)
  const count = 2 ** (labels * bitsPerLabel - length)
  const first = ipToNumber(networkOf(prefix).address)
  const step = 1n << BigInt(addressBits(family) - labels * bitsPerLabel)
  return Array.from({ length: count }, (_, index) =>
    reverseZone(ipFromNumber(family, first + BigInt(index) * step), labels),
  )
}

function reverseZone(address: IpAddress, labels: number): string {
  const octets = [...ipToBytes(address)]
  const isIPv4 = octets.length === 4
  const parts = isIPv4
    ? octets.map(String)
    : octets.flatMap(octet => [(octet >> 4).toString(16), (octet & 0xf).toString(16)])
  const suffix = isIPv4 ? 'in-addr.arpa.' : 'ip6.arpa.'
  return [...parts.slice(0, labels).reverse(), suffix].join('.')
}
