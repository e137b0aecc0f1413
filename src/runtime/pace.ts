/** The longest piece of work between two turns of the event loop, in milliseconds: DNS answers wait no longer. */
const MAX_BUSY_MS = 2

/** Keeps long work from holding up the event loop. One for each piece of work that runs by itself, made when it begins. */
export class Pace {
  #since = performance.now()

  /** To be awaited between steps of the work: lets the event loop turn when it has waited long enough. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#since < MAX_BUSY_MS) return
    await new Promise<void>(resolve => setImmediate(resolve))
    this.#since = performance.now()
  }
}
