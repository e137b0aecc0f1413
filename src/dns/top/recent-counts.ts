import type { Clock } from '#runtime/clock.ts'
import { FrequentItems } from './frequent-items.ts'

/** Half of the time that is looked at: what is told is of the last 2.5 to 5 minutes. */
export const HALF_WINDOW_MS = 150_000

/** Keys that are counted in each half: a count is too low by a 256th of all queries at most. */
const CAPACITY = 512

export type Counted = { readonly key: string; readonly count: number }

/** The keys that were counted most of late, in bounded memory. */
export class RecentCounts {
  readonly #clock: Pick<Clock, 'monotonic'>
  #former = new FrequentItems(CAPACITY)
  #current = new FrequentItems(CAPACITY)
  #beganMs: number

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
    this.#beganMs = clock.monotonic()
  }

  add(key: string, times: number): void {
    this.#turn()
    this.#current.add(key, times)
  }

  /** The most counted ones, the first the most; equal ones by their keys. */
  top(limit: number): readonly Counted[] {
    this.#turn()
    const sums = new Map(this.#former.counts)
    for (const [key, count] of this.#current.counts) sums.set(key, (sums.get(key) ?? 0) + count)
    return [...sums]
      .map(([key, count]) => ({ key, count }))
      .sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
      .slice(0, limit)
  }

  #turn(): void {
    const ageMs = this.#clock.monotonic() - this.#beganMs
    if (ageMs < HALF_WINDOW_MS) return
    const isPast = ageMs >= 2 * HALF_WINDOW_MS
    this.#former = isPast ? new FrequentItems(CAPACITY) : this.#current
    this.#current = new FrequentItems(CAPACITY)
    this.#beganMs += Math.floor(ageMs / HALF_WINDOW_MS) * HALF_WINDOW_MS
  }
}
