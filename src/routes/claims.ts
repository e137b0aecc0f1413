import type { IpFamily } from '#net/ip.ts'
import type { Range } from './range.ts'

type Claim = { readonly first: bigint; readonly last: bigint; readonly owner: string }

/** Address ranges that have an owner each and share no address. A look-up costs the logarithm of their number. */
export class Claims {
  /** Per family, in the order of addresses. */
  readonly #claims: Readonly<Record<IpFamily, Claim[]>> = { 4: [], 6: [] }

  /** The owner of an address in the range, or undefined when all of it is free. */
  ownerOf({ family, first, last }: Range): string | undefined {
    const claims = this.#claims[family]
    const next = claims[indexOf(claims, first)]
    return next !== undefined && next.first <= last ? next.owner : undefined
  }

  /** The range must be free. */
  add({ family, first, last }: Range, owner: string): void {
    const claims = this.#claims[family]
    claims.splice(indexOf(claims, first), 0, { first, last, owner })
  }
}

/** Index of the first claim whose end is at or past `address`. */
function indexOf(claims: readonly Claim[], address: bigint): number {
  let [low, high] = [0, claims.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((claims[middle] as Claim).last < address) low = middle + 1
    else high = middle
  }
  return low
}
