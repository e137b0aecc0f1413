import type { Clock } from './clock.ts'

/** Wakes one waiter; what happens while nobody waits is remembered as one. */
export class Trigger {
  readonly #clock: Clock
  #isFired = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  fire(): void {
    this.#isFired = true
    this.#wake?.()
  }

  /** Resolves when it is fired, or was since the last wait, or after `limitMs`. Rejects when the signal is aborted. */
  async wait(limitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isFired) {
      const woken = new AbortController()
      this.#wake = () => woken.abort()
      try {
        await this.#clock.sleep(limitMs, AbortSignal.any([signal, woken.signal]))
      } catch (error) {
        if (!woken.signal.aborted || signal.aborted) throw error
      } finally {
        this.#wake = undefined
      }
    }
    signal.throwIfAborted()
    this.#isFired = false
  }
}
