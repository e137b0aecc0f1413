/**
 * Which of many keys are counted most, in bounded memory: counts of {@link capacity} keys at most. When there is no more room the
 * median of the counts is taken off each, and half of the keys go (Misra and Gries 1982, in the batched form of Anderson et al.
 * 2017). A count is never too high, and too low by at most a `2 / capacity` of all that was counted; adding costs O(1) in the mean.
 */
export class FrequentItems {
  readonly capacity: number
  readonly #counts = new Map<string, number>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  add(key: string, times: number): void {
    const known = this.#counts.get(key)
    if (known === undefined && this.#counts.size >= this.capacity) this.#shrink()
    this.#counts.set(key, (known ?? 0) + times)
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  #shrink(): void {
    const sorted = Float64Array.from(this.#counts.values()).sort()
    const median = sorted[sorted.length >> 1] ?? 0
    for (const [key, count] of this.#counts) {
      if (count > median) this.#counts.set(key, count - median)
      else this.#counts.delete(key)
    }
  }
}
