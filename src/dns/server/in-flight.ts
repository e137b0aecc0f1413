/**
 * Queries that are being answered. Their number is bounded: past the limit the oldest is given up, for it most likely waits for
 * an upstream that does not answer, while the newest may be a name that is known here.
 */
export class InFlight {
  readonly #limit: number
  readonly #pending = new Set<AbortController>()
  #onEmpty: (() => void) | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#pending.size
  }

  /** Runs `work` as one of the queries; its signal is aborted when it is given up. */
  async run<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    const controller = new AbortController()
    this.#pending.add(controller)
    if (this.#pending.size > this.#limit) this.#giveUpOldest()
    try {
      return await work(controller.signal)
    } finally {
      this.#pending.delete(controller)
      if (this.#pending.size === 0) this.#onEmpty?.()
    }
  }

  /** Waits until all are answered; those that are not after `limitMs` are given up. */
  async drain(limitMs: number): Promise<void> {
    if (this.#pending.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onEmpty = resolve
    const timer = setTimeout(resolve, limitMs)
    await promise
    clearTimeout(timer)
    for (const controller of this.#pending) controller.abort()
  }

  #giveUpOldest(): void {
    // A set keeps the order in which its members came.
    const [oldest] = this.#pending
    if (oldest === undefined) return
    this.#pending.delete(oldest)
    oldest.abort()
  }
}
