import { type IpAddress, ipFromBytes, ipToBytes, parseIp } from '#net/ip.ts'
import { normalizeName } from '../../name.ts'
import { addressFromReverseName } from '../../zone/reverse-name.ts'

/** The names and addresses of a hosts file. */
export type HostsTable = {
  /** Address and name pairs. */
  readonly size: number
  readonly byName: ReadonlyMap<string, readonly IpAddress[]>
  /** By the name behind `*.`. */
  readonly byWildcard: ReadonlyMap<string, readonly IpAddress[]>
  /** Wildcards have no reverse names. */
  readonly byAddress: ReadonlyMap<IpAddress, readonly string[]>
}

/**
 * Reads lines of words: an address and names (hosts(5)). Lines without a valid address and names that are none are left out, as
 * CoreDNS does.
 */
export function hostsTable(lines: Iterable<readonly string[]>): HostsTable {
  const byName = new Map<string, IpAddress[]>()
  const byWildcard = new Map<string, IpAddress[]>()
  const byAddress = new Map<IpAddress, string[]>()
  let size = 0
  for (const [addressText = '', ...names] of lines) {
    const address = readAddress(addressText)
    if (address === undefined) continue
    for (const text of names) {
      const name = normalizeName(text)
      if (name === undefined || name === '.') continue
      size++
      if (name.startsWith('*.')) push(byWildcard, name.slice(2), address)
      else {
        push(byName, name, address)
        push(byAddress, address, name)
      }
    }
  }
  return { size, byName, byWildcard, byAddress }
}

/** The words of each line of a hosts file, without comments. */
export const linesOf = (text: string): readonly (readonly string[])[] =>
  text.split('\n').map(line => line.replace(/#.*/s, '').trim().split(/\s+/))

/** The addresses of a name in lower case: its own, else those of a wildcard that stands for its first label. */
export const addressesOf = (
  { byName, byWildcard }: HostsTable,
  name: string,
): readonly IpAddress[] => byName.get(name) ?? byWildcard.get(parentOf(name)) ?? []

/** The names of the address that a reverse name means. */
export function namesOf({ byAddress }: HostsTable, reverseName: string): readonly string[] {
  const address = addressFromReverseName(reverseName)
  return (address && byAddress.get(address)) ?? []
}

/** A wildcard stands for exactly one label. */
const parentOf = (name: string): string => name.replace(/^(?:\\.|[^.\\])+\./s, '')

/** Without a zone id; an IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is that IPv4 address. */
function readAddress(text: string): IpAddress | undefined {
  const address = parseIp(text.replace(/%.*$/s, ''))
  if (address?.startsWith('::ffff:') !== true) return address
  const octets = ipToBytes(address)
  const isMapped = octets.subarray(0, 10).every(octet => octet === 0)
  return isMapped ? ipFromBytes(octets.subarray(12)) : address
}

function push<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else if (!values.includes(value)) values.push(value)
}
