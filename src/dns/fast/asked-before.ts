/** Bits of the filter, a power of two, and how many may be set before it begins anew: one name in four looks known by then. */
const BITS = 2 ** 17
const MAX_SET = BITS / 4

/**
 * Tells names that are asked again from those that are asked once, as under a flood of random ones. It may take a new name for a
 * known one, never the other way but when it has just begun anew: names that share a bit help each other.
 */
export class AskedBefore {
  readonly #words = new Int32Array(BITS / 32)
  #set = 0

  /** Was this hash seen before? It is from now on. */
  see(hash: number): boolean {
    const bit = hash & (BITS - 1)
    const mask = 1 << (bit & 31)
    const word = this.#words[bit >> 5] as number
    if ((word & mask) !== 0) return true
    if (++this.#set > MAX_SET) {
      this.#words.fill(0)
      this.#set = 1
    }
    this.#words[bit >> 5] = (this.#words[bit >> 5] as number) | mask
    return false
  }
}
