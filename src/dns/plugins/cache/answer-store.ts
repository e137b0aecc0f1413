import type { Reply } from '../../message.ts'

/** A kept answer. */
export type Entry = {
  /** The name of the question, in its first client's letter case: owners like it follow the next client's. */
  readonly name: string
  /** All its records have the TTL {@link ttl}. */
  readonly reply: Reply
  /** Of a monotonic clock, milliseconds. */
  readonly storedMs: number
  /** Seconds. */
  readonly ttl: number
  /** Hits that followed one another closely, and the last of them: how popular the entry is. */
  hits: number
  lastHitMs: number
}

/** Answers by key, at most `capacity` of them: the oldest makes room, which under a flood is mostly the flood's own. */
export class AnswerStore {
  readonly #entries = new Map<string, Entry>()
  readonly #capacity: number
  readonly #onEvict: () => void

  constructor(capacity: number, onEvict: () => void) {
    this.#capacity = capacity
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  set(key: string, entry: Entry): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#capacity) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
      this.#onEvict()
    }
    this.#entries.set(key, entry)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}

/** Milliseconds of life that an entry has left; negative: how long ago it ended. */
export const lifeLeftMs = ({ storedMs, ttl }: Entry, nowMs: number): number =>
  storedMs + ttl * 1000 - nowMs
