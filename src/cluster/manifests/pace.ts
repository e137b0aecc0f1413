/** The longest piece of work between two looks at the event loop, in milliseconds: DNS answers wait no longer. */
const MAX_BUSY_MS = 4

/** Keeps long work from holding up the event loop, and lets it be stopped. */
export class Pace {
  readonly #signal: AbortSignal
  #since = performance.now()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /**
   * To be awaited between pieces of work: gives the event loop a turn when it has waited long enough.
   * Rejects with the signal's reason once that is aborted.
   */
  async breathe(): Promise<void> {
    if (performance.now() - this.#since < MAX_BUSY_MS) return
    await new Promise<void>(resolve => setImmediate(resolve))
    this.#since = performance.now()
    this.#signal.throwIfAborted()
  }
}
