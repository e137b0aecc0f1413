import type { AnswerReader } from './answer-reader.ts'
import type { RawQuestion } from './raw-question.ts'
import {
  ENTRY_FLAG,
  groupAt,
  HEAD,
  HEAD_OCTETS,
  HEAD_TIMES,
  PLACE_WORDS,
  slotsOf,
  type TableMemory,
  WAYS,
} from './table-memory.ts'
import type { Template } from './template.ts'

/** An answer to be kept; without `template` only the word that answers depend on the client's size. */
export type NewEntry = {
  readonly template: Template | undefined
  readonly hasEdns: boolean
  readonly rotates: boolean
  /** By {@link sharedClockMs}. */
  readonly freshUntilMs: number
  /** To when TTLs count down; undefined: they stay. */
  readonly ttlEndMs: number | undefined
  /** Of EraCells: it is not given once the mark of now is another. */
  readonly eraMark: number
  /** Called once, before the entry's place is another's. */
  readonly onDrop: (slot: number) => void
}

/** One entry as its writer knows it. */
type Kept = {
  /** In units of 8 octets; `end` is behind it. */
  readonly at: number
  readonly end: number
  readonly slot: number
  /** In words of the index. */
  readonly place: number
  readonly onDrop: (slot: number) => void
  isDropped: boolean
}

/** What a writer holds of an entry. */
export type EntryHandle = { readonly slot: number; drop(): void }

/**
 * Writes the table. New entries are put behind one another, round and round: the oldest make room, so the memory is bounded and
 * never in pieces. An entry that is dropped is not used for any packet that is looked up after `drop` returned.
 */
export class AnswerTable {
  readonly memory: TableMemory
  readonly #index: Int32Array
  readonly #words: Int32Array
  readonly #shorts: Uint16Array
  readonly #octets: Uint8Array
  readonly #times: Float64Array
  /** By slot. */
  readonly #kept: (Kept | undefined)[]
  readonly #freeSlots: number[]
  /** Oldest first from `#oldest` on. */
  #queue: Kept[] = []
  #oldest = 0
  /** In units of 8 octets. */
  #next = 0
  #stamp = 0

  constructor(memory: TableMemory) {
    this.memory = memory
    this.#index = new Int32Array(memory.index)
    this.#words = new Int32Array(memory.arena)
    this.#shorts = new Uint16Array(memory.arena)
    this.#octets = new Uint8Array(memory.arena)
    this.#times = new Float64Array(memory.arena)
    this.#freeSlots = Array.from({ length: slotsOf(memory) }, (_, slot) => slot)
    this.#kept = this.#freeSlots.map(() => undefined)
  }

  /** Entries in use. */
  get size(): number {
    return this.#kept.length - this.#freeSlots.length
  }

  /** The slots in use. */
  *slots(): Generator<number> {
    for (const entry of this.#kept) if (entry !== undefined) yield entry.slot
  }

  /**
   * Keeps an answer for the key of `question`, in place of the one that is there.
   * @param isRight asked with where the entry begins before any other thread sees it; false takes it back.
   */
  put(
    question: RawQuestion,
    entry: NewEntry,
    {
      reader,
      isRight,
    }: { readonly reader: AnswerReader; readonly isRight: (at: number) => boolean },
  ): EntryHandle | undefined {
    const units = Math.ceil(sizeOf(question, entry) / 8)
    if (units * 8 > this.#octets.length / 8) return undefined
    const at = this.#makeRoom(units)
    this.#write(at, question, entry)
    if (!isRight(at)) return undefined
    const former = reader.find(question)
    if (former >= 0) this.#dropAt(former)
    const place = this.#freePlace(question.hash)
    const slot = this.#freeSlot()
    const kept: Kept = { at, end: at + units, slot, place, onDrop: entry.onDrop, isDropped: false }
    this.#kept[slot] = kept
    this.#queue.push(kept)
    this.#next = kept.end
    this.#words[at * 2 + HEAD.SLOT] = slot
    this.#stamp = this.#stamp === 0x7fffffff ? 1 : this.#stamp + 1
    Atomics.store(this.#words, at * 2 + HEAD.STAMP, this.#stamp)
    this.#index[place] = question.hash
    Atomics.store(this.#index, place + 1, at + 1)
    return { slot, drop: () => this.#drop(kept) }
  }

  /** Drops every entry. */
  clear(): void {
    for (const kept of this.#kept) if (kept !== undefined) this.#drop(kept)
  }

  #drop(kept: Kept): void {
    if (kept.isDropped) return
    kept.isDropped = true
    Atomics.store(this.#index, kept.place + 1, 0)
    Atomics.store(this.#words, kept.at * 2 + HEAD.STAMP, 0)
    kept.onDrop(kept.slot)
    this.#kept[kept.slot] = undefined
    this.#freeSlots.push(kept.slot)
  }

  /** Drops the entry in a place of the index, if there is one. */
  #dropAt(place: number): void {
    const at = (this.#index[place + 1] as number) - 1
    if (at < 0) return
    const kept = this.#kept[this.#words[at * 2 + HEAD.SLOT] as number]
    if (kept !== undefined) this.#drop(kept)
  }

  /** Where so many units are free, the oldest entries being dropped for it. */
  #makeRoom(units: number): number {
    const all = this.#octets.length / 8
    let start = this.#next
    if (start + units > all) {
      // The rest of the arena is too small: what lies there is as old as it gets.
      this.#dropWhile(({ at }) => at >= start)
      start = 0
    }
    this.#dropWhile(({ at, end }) => at < start + units && end > start)
    return start
  }

  /** Drops from the oldest on as long as they fit; those dropped before only leave the queue. */
  #dropWhile(fits: (kept: Kept) => boolean): void {
    for (;;) {
      const kept = this.#queue[this.#oldest]
      if (kept === undefined || !fits(kept)) break
      this.#drop(kept)
      this.#oldest++
    }
    if (this.#oldest < 1024) return
    this.#queue = this.#queue.slice(this.#oldest)
    this.#oldest = 0
  }

  #freeSlot(): number {
    for (;;) {
      const slot = this.#freeSlots.pop()
      if (slot !== undefined) return slot
      this.#dropOldest()
    }
  }

  #dropOldest(): void {
    let isDone = false
    this.#dropWhile(kept => {
      const goes = !isDone
      isDone ||= !kept.isDropped
      return goes
    })
  }

  #freePlace(hash: number): number {
    const group = groupAt(hash, this.#index.length)
    for (let place = group; place < group + WAYS * PLACE_WORDS; place += PLACE_WORDS) {
      if (this.#index[place + 1] === 0) return place
    }
    // All are taken: any will do, and a part of the hash that the group does not depend on picks one.
    const place = group + (hash >>> 30) * PLACE_WORDS
    this.#dropAt(place)
    return place
  }

  #write(at: number, question: RawQuestion, entry: NewEntry): void {
    const { template, hasEdns, rotates, freshUntilMs, ttlEndMs, eraMark } = entry
    const words = this.#words
    const head = at * 2
    const octets = template?.octets ?? new Uint8Array(0)
    const rotation = rotates ? template?.rotation : undefined
    words.fill(0, head, head + HEAD_OCTETS / 4)
    words[head + HEAD.HASH] = question.hash
    words[head + HEAD.KEY_LENGTH] = question.keyLength
    words[head + HEAD.FLAGS] =
      (template === undefined ? ENTRY_FLAG.SIZED : 0) |
      (ttlEndMs === undefined ? 0 : ENTRY_FLAG.COUNTS_DOWN) |
      (hasEdns ? ENTRY_FLAG.HAS_EDNS : 0)
    words[head + HEAD.ANSWER_LENGTH] = octets.length
    words[head + HEAD.CASES] = template?.cases.length ?? 0
    words[head + HEAD.TTLS] = template?.ttls.length ?? 0
    words[head + HEAD.ROTATION_AT] = rotation?.at ?? 0
    words[head + HEAD.ROTATION_STRIDE] = rotation?.stride ?? 0
    words[head + HEAD.ROTATION_COUNT] = rotation?.count ?? 0
    words[head + HEAD.ROTATION_OCTETS] = rotation?.octets ?? 0
    words[head + HEAD.ERA] = eraMark
    this.#times[at + HEAD_TIMES.FRESH_UNTIL] = freshUntilMs
    this.#times[at + HEAD_TIMES.TTL_END] = ttlEndMs ?? 0
    const from = at * 8 + HEAD_OCTETS
    this.#octets.set(octets, from)
    let short = (from + octets.length + 1) >> 1
    for (const { at: target, from: source } of template?.cases ?? []) {
      this.#shorts[short++] = target
      this.#shorts[short++] = source
    }
    for (const target of template?.ttls ?? []) this.#shorts[short++] = target
    const keyWord = (short + 1) >> 1
    words[head + HEAD.KEY_WORD] = keyWord - head
    words.set(question.keyWords.subarray(0, (question.keyLength + 3) >> 2), keyWord)
  }
}

/** Before the offsets, before the key and behind it. */
const MAX_PADDING_OCTETS = 1 + 3 + 3

/** Octets of an entry, at most. */
const sizeOf = ({ keyLength }: RawQuestion, { template }: NewEntry): number =>
  HEAD_OCTETS +
  (template === undefined
    ? 0
    : template.octets.length + 4 * template.cases.length + 2 * template.ttls.length) +
  keyLength +
  MAX_PADDING_OCTETS
