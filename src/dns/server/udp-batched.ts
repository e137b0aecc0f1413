import type { FastPath } from '../fast/fast-path.ts'
import type { WorkerBudget } from './fast-path-workers.ts'
import type { Listener, ListenerOptions } from './listener.ts'
import { listenUdp } from './udp.ts'
import { listenFast } from './udp-fast.ts'

/** The fast path as listeners use it. */
export type FastListening = {
  readonly fastPath: FastPath
  /** Threads of a listener that does not say how many. */
  readonly workers: number
  /** Threads of all listeners. */
  readonly budget: WorkerBudget
  /** Told every time that a listener does without. */
  readonly onFallback: (error: unknown) => void
}

/**
 * Listens on UDP with the fast path, or by dgram where that cannot be had or has failed.
 * @throws the system error of a bind that failed either way.
 */
export async function listenBatched(
  options: ListenerOptions,
  fast: FastListening,
): Promise<Listener> {
  const listener = new BatchedListener(options, fast)
  await listener.open()
  return listener
}

class BatchedListener implements Listener {
  readonly #options: ListenerOptions
  readonly #fast: FastListening
  #inner: Listener | undefined
  #isStopped = false
  #changing: Promise<void> = Promise.resolve()

  constructor(options: ListenerOptions, fast: FastListening) {
    this.#options = options
    this.#fast = fast
  }

  async open(): Promise<void> {
    try {
      const onFailure = (error: unknown) => {
        this.#changing = this.#changing.then(() => this.#replace(error))
      }
      this.#inner = await listenFast({ ...this.#options, ...this.#fast, onFailure })
    } catch (error) {
      this.#inner = await listenUdp(this.#options)
      this.#fast.onFallback(error)
    }
  }

  stopTaking(): void {
    this.#isStopped = true
    this.#inner?.stopTaking()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopTaking()
    await this.#changing
    await this.#inner?.[Symbol.asyncDispose]()
  }

  /** Goes on by dgram after a worker failed. */
  async #replace(error: unknown): Promise<void> {
    if (this.#isStopped || this.#inner === undefined) return
    await this.#inner[Symbol.asyncDispose]()
    this.#inner = undefined
    try {
      this.#inner = await listenUdp(this.#options)
      if (this.#isStopped) this.#inner.stopTaking()
      this.#fast.onFallback(error)
    } catch (bindError) {
      // TCP still answers; the port was taken in the moment between the two.
      this.#fast.onFallback(bindError)
    }
  }
}
