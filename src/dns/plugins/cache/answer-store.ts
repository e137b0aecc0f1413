import type { ReplyKind } from './reply-life.ts'

/** A kept answer. */
export type Entry = {
  readonly kind: ReplyKind
  /** See packReply. What the TTLs of its records were does not matter: all have {@link ttl}. */
  readonly packed: string
  /** Does it answer its question, or is it only a part of the way there? Known where the policy asks for it. */
  readonly isUsable: boolean
  /** Of a monotonic clock, milliseconds. */
  readonly storedMs: number
  /** Seconds. */
  readonly ttl: number
  /** Hits that followed one another closely, and the last of them: how popular the entry is. */
  hits: number
  lastHitMs: number
  /** Was it asked for since it was kept, or since it last escaped eviction? */
  wasUsed: boolean
  /** When a refresh may be tried again after one failed. */
  retryAtMs: number
  /** Of an answer that a change of its zone ends. */
  readonly watch?: EntryWatch | undefined
}

/** The two sides of a change: the zone that tells of it, and those to whom the answer was given on. */
export type EntryWatch = {
  readonly end: () => void
  readonly forget: Set<() => void>
}

export type StoreLimits = {
  /** Entries. */
  readonly capacity: number
  /** By {@link octetsOf}. */
  readonly maxOctets: number
}

/**
 * What an entry costs beside its key and its answer: the map's place, the object, its numbers, the heads of two strings. Measured
 * with 200,000 entries on Node 26 (bench/dns-cache.ts): 276.
 */
export const ENTRY_OCTETS = 288
/** What a watch costs more: closures, sets, places in the lists of what is watched. */
const WATCH_OCTETS = 720

/** How many used entries may escape one after another before the next one goes all the same: an insertion takes 0.2 ms at most. */
const MAX_ESCAPES = 1024

/**
 * Answers by key, bounded by number and by memory. The oldest makes room, but one that was asked for since gets another turn: of
 * a flood of random names, each asked for once, nothing useful is driven out.
 */
export class AnswerStore {
  readonly #entries = new Map<string, Entry>()
  readonly #limits: StoreLimits
  readonly #onEvict: () => void
  /** Goes from the oldest on; a map keeps the order in which keys were added, also under a standing iterator. */
  #oldest = this.#entries.entries()
  #octets = 0

  constructor(limits: StoreLimits, onEvict: () => void) {
    this.#limits = limits
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#entries.size
  }

  /** What all entries cost, about. */
  get octets(): number {
    return this.#octets
  }

  /** The oldest first. */
  entries(): Iterable<readonly [string, Entry]> {
    return this.#entries
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  /** False: the entry alone is too large. */
  set(key: string, entry: Entry): boolean {
    const { capacity, maxOctets } = this.#limits
    const octets = octetsOf(key, entry)
    this.delete(key)
    if (octets > maxOctets / 8) {
      release(entry)
      return false
    }
    while (this.#entries.size >= capacity || this.#octets + octets > maxOctets) this.#evict()
    this.#entries.set(key, entry)
    this.#octets += octets
    return true
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#octets -= octetsOf(key, entry)
    release(entry)
  }

  #evict(): void {
    for (let escapes = 0; ; ) {
      const next = this.#oldest.next()
      if (next.done === true) {
        this.#oldest = this.#entries.entries()
        continue
      }
      const [key, entry] = next.value
      if (!entry.wasUsed || escapes++ === MAX_ESCAPES) {
        this.delete(key)
        this.#onEvict()
        return
      }
      entry.wasUsed = false
      this.#entries.delete(key)
      this.#entries.set(key, entry)
    }
  }
}

const octetsOf = (key: string, { packed, watch }: Entry): number =>
  ENTRY_OCTETS + key.length + packed.length + (watch === undefined ? 0 : WATCH_OCTETS)

/** Nobody gives it any more. */
function release({ watch }: Entry): void {
  watch?.end()
  for (const forget of watch?.forget ?? []) forget()
}

/** Milliseconds of life that an entry has left; negative: how long ago it ended. */
export const lifeLeftMs = ({ storedMs, ttl }: Entry, nowMs: number): number =>
  storedMs + ttl * 1000 - nowMs
