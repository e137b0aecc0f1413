import { ipToNumber } from '#net/ip.ts'
import { type IpPrefix, networkOf, prefixesOverlap } from '#net/prefix.ts'

/**
 * The same addresses by prefixes of which none holds another, in order: interval sets refuse overlaps. All of one family.
 */
export function mergePrefixes(prefixes: readonly IpPrefix[]): readonly IpPrefix[] {
  const sorted = prefixes
    .map(prefix => ({ prefix: networkOf(prefix), first: ipToNumber(networkOf(prefix).address) }))
    .sort((a, b) =>
      a.first === b.first ? a.prefix.length - b.prefix.length : a.first < b.first ? -1 : 1,
    )
  const merged: IpPrefix[] = []
  for (const { prefix } of sorted) {
    const last = merged.at(-1)
    if (last === undefined || !prefixesOverlap(last, prefix)) merged.push(prefix)
  }
  return merged
}
