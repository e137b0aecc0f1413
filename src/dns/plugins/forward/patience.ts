/** Least and most that a server is waited for alone, milliseconds. */
const MIN_MS = 50
const MAX_MS = 500
/** A server is slow when it takes so many times as long as it mostly does. */
const FACTOR = 4
/** Weight of the newest measurement (TCP's, RFC 6298 section 2). */
const WEIGHT = 1 / 8

/** How long a server's answer is waited for before another try starts: a few times as long as it mostly takes. */
export class Patience {
  #smoothedMs: number | undefined

  get ms(): number {
    if (this.#smoothedMs === undefined) return MAX_MS
    return Math.min(MAX_MS, Math.max(MIN_MS, FACTOR * this.#smoothedMs))
  }

  /** An answer took so long, milliseconds. */
  observe(ms: number): void {
    const before = this.#smoothedMs ?? ms
    this.#smoothedMs = before + (ms - before) * WEIGHT
  }
}
