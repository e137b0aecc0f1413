import type { Closable } from './connections.ts'

/** Cuts a connection, or a stream of one, that takes too long. */
export class Deadline {
  readonly #target: Closable
  #timer: NodeJS.Timeout | undefined

  constructor(target: Closable) {
    this.#target = target
  }

  /** From now on, instead of what was set before. */
  set(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#target.destroy(), ms)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
