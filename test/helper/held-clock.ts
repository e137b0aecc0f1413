import type { Clock } from '#runtime/clock.ts'

type Sleeper = { readonly untilMs: number; readonly wake: () => void }

/** A clock that stands still until it is told to go on. */
export class HeldClock implements Clock {
  #nowMs: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  /** How many wait. */
  get sleepers(): number {
    return this.#sleepers.size
  }

  /** Goes on by `ms` and wakes whose time has come. */
  advance(ms: number): void {
    this.#nowMs += ms
    for (const sleeper of this.#sleepers) {
      if (sleeper.untilMs <= this.#nowMs) sleeper.wake()
    }
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.#nowMs + ms, wake: () => end(resolve) }
      const end = (settle: () => void) => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = () => end(() => reject(signal?.reason))
      if (signal?.aborted === true) return reject(signal.reason)
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
