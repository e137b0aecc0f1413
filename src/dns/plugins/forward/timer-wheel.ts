/** What wants to be told that its time is over. */
export type Due = { onDue(): void }

/** Where something waits in the wheel. */
export type Place = Set<Due>

/** How exactly time is kept, milliseconds. */
export const TICK_MS = 10
/** A turn of the wheel takes longer than a query may. */
const SLOTS = 1024

/**
 * Timeouts of many questions by one timer, which runs only while something waits: a timer for each would cost more than sending
 * the question. Whatever waits does so in one place at a time.
 */
export class TimerWheel {
  readonly #slots: readonly Place[] = Array.from({ length: SLOTS }, () => new Set())
  readonly #nowMs: () => number
  #waiting = 0
  /** The slot whose time is over, and when that was. */
  #hand = 0
  #handMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Tells `due` in so many milliseconds, up to one {@link TICK_MS} later; after one turn of the wheel at most. */
  add(due: Due, ms: number): Place {
    const nowMs = this.#nowMs()
    if (this.#timer === undefined) {
      this.#handMs = nowMs
      this.#arm()
    }
    this.#waiting++
    const ticks = Math.ceil((nowMs + ms - this.#handMs) / TICK_MS)
    const place = this.#slots[
      (this.#hand + Math.min(SLOTS - 1, Math.max(1, ticks))) % SLOTS
    ] as Place
    place.add(due)
    return place
  }

  /** `due` is not told any more; it may have been. */
  remove(due: Due, place: Place): void {
    if (place.delete(due)) this.#waiting--
  }

  stop(): void {
    clearTimeout(this.#timer)
    for (const place of this.#slots) place.clear()
    this.#waiting = 0
  }

  #arm(): void {
    this.#timer = setTimeout(() => this.#turn(), TICK_MS)
  }

  #turn(): void {
    const nowMs = this.#nowMs()
    while (this.#handMs + TICK_MS <= nowMs) {
      this.#hand = (this.#hand + 1) % SLOTS
      this.#handMs += TICK_MS
      for (const due of this.#slots[this.#hand] as Place) {
        this.remove(due, this.#slots[this.#hand] as Place)
        due.onDue()
      }
    }
    this.#timer = undefined
    if (this.#waiting > 0) this.#arm()
  }
}
