import { type IpFamily, ipToNumber } from '#net/ip.ts'
import { firstAddress, type IpPrefix, lastAddress } from '#net/prefix.ts'

type Range = { readonly first: bigint; readonly last: bigint; readonly owner: string }

/** Address ranges that have an owner each and share no address. A look-up costs the logarithm of their number. */
export class Claims {
  /** Per family, in the order of addresses. */
  readonly #ranges: Readonly<Record<IpFamily, Range[]>> = { 4: [], 6: [] }

  /** The owner of an address in `prefix`, or undefined when all of it is free. */
  ownerOf(prefix: IpPrefix): string | undefined {
    const { first, last } = rangeOf(prefix)
    const ranges = this.#ranges[prefix.family]
    // The first range that does not end before this one.
    const next = ranges[indexOf(ranges, first)]
    return next !== undefined && next.first <= last ? next.owner : undefined
  }

  /** `prefix` must be free. */
  add(prefix: IpPrefix, owner: string): void {
    const range = { ...rangeOf(prefix), owner }
    const ranges = this.#ranges[prefix.family]
    ranges.splice(indexOf(ranges, range.first), 0, range)
  }
}

/** Index of the first range whose end is at or past `address`. */
function indexOf(ranges: readonly Range[], address: bigint): number {
  let [low, high] = [0, ranges.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ranges[middle] as Range).last < address) low = middle + 1
    else high = middle
  }
  return low
}

const rangeOf = (prefix: IpPrefix) => ({
  first: ipToNumber(firstAddress(prefix)),
  last: ipToNumber(lastAddress(prefix)),
})
