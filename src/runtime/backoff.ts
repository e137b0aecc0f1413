/** How waits between tries grow. */
export type BackoffOptions = {
  readonly initialMs: number
  readonly maxMs: number
  /** 2 when not given. */
  readonly factor?: number
  /** The share of a wait that is random, 0–1; 0.5 when not given. Spreads clients that failed together. */
  readonly jitter?: number
  /** Numbers in [0, 1). */
  readonly random?: () => number
}

/** Waits that grow from try to try, with jitter, up to a limit. */
export class Backoff {
  readonly #options: Required<BackoffOptions>
  #tries = 0

  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, jitter: 0.5, random: Math.random, ...options }
  }

  /** Milliseconds to wait before the next try. */
  next(): number {
    const { initialMs, maxMs, factor, jitter, random } = this.#options
    const full = Math.min(maxMs, initialMs * factor ** this.#tries)
    if (full < maxMs) this.#tries++
    return full * (1 - jitter * random())
  }

  /** A try succeeded: the next wait is the first one again. */
  reset(): void {
    this.#tries = 0
  }
}
