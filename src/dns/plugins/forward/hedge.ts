import type { Due, Place, TimerWheel } from './timer-wheel.ts'

/** A try under way. */
export type Try = {
  /** How long it is waited for alone, milliseconds. */
  readonly patienceMs: number
  /** Another one was quicker, or nobody waits any more: its end is told to nobody. */
  cancel(): void
}

type Tries<T> = {
  /**
   * Starts a try; what it comes to, `undefined` for nothing wanted, is told once and not before this has returned. Gives undefined
   * when there are no more.
   */
  readonly next: (onEnd: (outcome: T | undefined) => void) => Try | undefined
  /** Told the outcome of the first try that is wanted, undefined when all came to nothing. */
  readonly onDecided: (outcome: T | undefined) => void
  readonly wheel: TimerWheel
}

/** Tries under way at a time: more open questions would be more chances for a forged answer (CVE-2023-30464). */
const MAX_AT_ONCE = 2

/**
 * Tries, of which the first one that is wanted wins. The next one starts when the one before came to nothing, or beside it when
 * that is slow (Dean and Barroso's hedged request): one slow server must not make a name slow.
 */
export class Hedge<T> implements Due {
  readonly #tries: Tries<T>
  readonly #running = new Set<Try>()
  #isExhausted = false
  #patience: Place | undefined

  constructor(tries: Tries<T>) {
    this.#tries = tries
  }

  start(): void {
    if (!this.#isExhausted && this.#running.size < MAX_AT_ONCE) this.#startOne()
    if (this.#running.size === 0) this.#tries.onDecided(undefined)
  }

  /** Cancels what is under way; nothing is decided any more. */
  cancel(): void {
    this.#isExhausted = true
    this.#endPatience()
    for (const one of this.#running) one.cancel()
    this.#running.clear()
  }

  onDue(): void {
    this.#patience = undefined
    this.start()
  }

  #startOne(): void {
    const { next, wheel } = this.#tries
    const started = next(outcome => this.#ended(started, outcome))
    if (started === undefined) {
      this.#isExhausted = true
      return
    }
    this.#running.add(started)
    if (this.#running.size < MAX_AT_ONCE) this.#patience = wheel.add(this, started.patienceMs)
  }

  #ended(ended: Try | undefined, outcome: T | undefined): void {
    if (ended === undefined || !this.#running.delete(ended)) return
    this.#endPatience()
    if (outcome === undefined) return this.start()
    this.cancel()
    this.#tries.onDecided(outcome)
  }

  #endPatience(): void {
    if (this.#patience !== undefined) this.#tries.wheel.remove(this, this.#patience)
    this.#patience = undefined
  }
}
