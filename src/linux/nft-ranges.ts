import type { Bound, Bounded } from './nft-elements.ts'

/**
 * The ranges between bounds, which the kernel gives in any order: each goes to where the next begins or it has ended
 * itself, the last one maybe to `highest`. Pure.
 */
export function rangesBetween(bounds: readonly Bound[], highest: bigint): readonly Bounded[] {
  // At one key the end of a range comes before the beginning of the next.
  const sorted = bounds.toSorted((a, b) =>
    a.at === b.at ? Number(b.isEnd) - Number(a.isEnd) : a.at < b.at ? -1 : 1,
  )
  const ranges: Bounded[] = []
  for (const [index, { at, isEnd }] of sorted.entries()) {
    if (isEnd) continue
    const next = sorted[index + 1]
    ranges.push({ first: at, last: next === undefined ? highest : next.at - 1n })
  }
  return ranges
}
