import type { IpPrefix } from '#net/prefix.ts'
import type { Range } from './range.ts'

/**
 * The same addresses by prefixes of which none holds another, in order: interval sets refuse overlaps. All of one family;
 * prefixes share addresses only where one holds the other.
 */
export function mergePrefixes(ranges: readonly Range[]): readonly IpPrefix[] {
  const merged: Range[] = []
  for (const range of ranges.toSorted(byPlace)) {
    const last = merged.at(-1)
    if (last === undefined || range.first > last.last) merged.push(range)
  }
  return merged.map(({ prefix }) => prefix)
}

/** By the first address, the larger one first. */
function byPlace(a: Range, b: Range): number {
  if (a.first !== b.first) return a.first < b.first ? -1 : 1
  return a.prefix.length - b.prefix.length
}
