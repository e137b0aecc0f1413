import { type FSWatcher, watch } from 'node:fs'

/** How a directory is watched, in milliseconds. */
export type WatchTiming = {
  /** Nothing must have happened for so long: files are often written in pieces. */
  readonly settleMs: number
  /** No change waits longer than this. */
  readonly maxSettleMs: number
  /** The directory is looked at so often anyway: network file systems, and targets of links, tell nothing. */
  readonly pollMs: number
}

export const defaultWatchTiming: WatchTiming = { settleMs: 25, maxSettleMs: 500, pollMs: 5000 }

/** How often a directory that cannot be watched is looked at, in milliseconds. */
const UNWATCHED_POLL_MS = 1000

/** Says when a directory may have changed. It promises only that nobody waits longer than `pollMs` for a change. */
export class DirectoryWatch implements Disposable {
  readonly #directory: string
  readonly #timing: WatchTiming
  #watcher: FSWatcher | undefined
  #events = 0
  #armedAt = 0
  #wake: (() => void) | undefined

  constructor(directory: string, timing: WatchTiming) {
    this.#directory = directory
    this.#timing = timing
  }

  /** To be called before each look at the directory: what changes from then on ends {@link changed}. */
  arm(): void {
    // Watched anew each time: the old watch may be one of a directory that was removed and made again.
    this[Symbol.dispose]()
    try {
      this.#watcher = watch(this.#directory, () => this.#note())
      this.#watcher.on('error', () => this[Symbol.dispose]())
    } catch {
      // Not there, or no more watches to be had: looking now and then has to do.
    }
    this.#armedAt = this.#events
  }

  /** Waits until something changed since {@link arm} and has come to rest, or it is time to look anyway, or the signal. */
  async changed(signal: AbortSignal): Promise<void> {
    const { settleMs, maxSettleMs, pollMs } = this.#timing
    const idleMs = this.#watcher === undefined ? Math.min(pollMs, UNWATCHED_POLL_MS) : pollMs
    if (this.#events === this.#armedAt) await this.#pause(idleMs, signal)
    const end = performance.now() + maxSettleMs
    for (let seen = -1; seen !== this.#events && performance.now() < end && !signal.aborted; ) {
      seen = this.#events
      await this.#pause(settleMs, signal)
    }
  }

  [Symbol.dispose](): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  #note(): void {
    this.#events++
    this.#wake?.()
  }

  /** Ends after a time, with the next event, or with the signal. */
  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal.addEventListener('abort', end)
      this.#wake = end
      if (signal.aborted) end()
    })
  }
}
