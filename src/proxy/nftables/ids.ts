import assert from 'node:assert'
import { MAX_ID } from './name.ts'

/** Numbers from 1 up for routes; released ones are given out again, so they stay as few as the routes. */
export class IdPool {
  #last = 0
  readonly #free: number[] = []

  /** `used` are given already. */
  constructor(used: Iterable<number>) {
    for (const id of used) this.#last = Math.max(this.#last, id)
  }

  take(): number {
    const id = this.#free.pop() ?? ++this.#last
    assert(id <= MAX_ID, 'more routes than a packet priority can number')
    return id
  }

  release(ids: Iterable<number>): void {
    for (const id of ids) this.#free.push(id)
  }
}
