import { type IpAddress, ipFromBytes, parseIp } from '#net/ip.ts'

const IPV4_SUFFIX = 'in-addr.arpa.'
const IPV6_SUFFIX = 'ip6.arpa.'

/** Does the zone map addresses to names (RFC 1035 section 3.5, RFC 3596 section 2.5)? Lower case. */
export const isReverseZone = (zone: string): boolean =>
  [IPV4_SUFFIX, IPV6_SUFFIX].some(suffix => zone === suffix || zone.endsWith(`.${suffix}`))

/** The address whose reverse name this is; undefined for names with too few or too many labels. Lower case. */
export function addressFromReverseName(name: string): IpAddress | undefined {
  if (name.endsWith(`.${IPV4_SUFFIX}`)) {
    const octets = name.slice(0, -IPV4_SUFFIX.length - 1).split('.')
    return octets.length === 4 ? parseIp(octets.reverse().join('.')) : undefined
  }
  if (!name.endsWith(`.${IPV6_SUFFIX}`)) return undefined
  const nibbles = name.slice(0, -IPV6_SUFFIX.length - 1)
  if (!/^[0-9a-f](?:\.[0-9a-f]){31}$/.test(nibbles)) return undefined
  const hex = nibbles.split('.').reverse().join('')
  return ipFromBytes(Uint8Array.fromHex(hex))
}
