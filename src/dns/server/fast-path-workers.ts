/** Threads of the fast path for each address and port that UDP is served on. Each costs about 8 MiB. */
export const DEFAULT_FAST_PATH_WORKERS = 1
export const MAX_FAST_PATH_WORKERS = 16
/** Threads of all listeners together: every address that is bound wants some, and `multisocket` may ask for a thousand. */
export const MAX_ALL_WORKERS = 32

/** The threads that listeners may still start. */
export class WorkerBudget {
  #left: number

  constructor(total = MAX_ALL_WORKERS) {
    this.#left = total
  }

  /** As many as are wanted, or as there are left; 0: none is. */
  take(wanted: number): number {
    const taken = Math.min(wanted, this.#left)
    this.#left -= taken
    return taken
  }

  giveBack(count: number): void {
    this.#left += count
  }
}
