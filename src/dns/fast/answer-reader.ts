import { HEADER_OCTETS } from '../wire/header.ts'
import { cellOf } from './era-cells.ts'
import type { RawQuestion } from './raw-question.ts'
import {
  ENTRY_FLAG,
  groupAt,
  HEAD,
  HEAD_OCTETS,
  HEAD_TIMES,
  MAX_ANSWER_OCTETS,
  PLACE_WORDS,
  type TableMemory,
  WAYS,
} from './table-memory.ts'

/** The size that the client takes lies so many octets before the end: the OPT record is the last, without options. */
const UDP_SIZE_FROM_END = 8

/** Numbers and offsets in an answer are smaller; a mask. */
const MAX_COUNT = MAX_ANSWER_OCTETS - 1

/** Reads a table that another thread writes. Allocates nothing but in its constructor. */
export class AnswerReader {
  readonly #index: Int32Array
  readonly #words: Int32Array
  readonly #shorts: Uint16Array
  readonly #octets: Uint8Array
  readonly #times: Float64Array
  readonly #eras: Int32Array
  /** Any number but 0: the state of xorshift. */
  #random: number
  /** The slot of the entry that was used last. */
  slot = 0

  constructor({ index, arena, eras }: TableMemory, seed: number) {
    this.#index = new Int32Array(index)
    this.#words = new Int32Array(arena)
    this.#shorts = new Uint16Array(arena)
    this.#octets = new Uint8Array(arena)
    this.#times = new Float64Array(arena)
    this.#eras = new Int32Array(eras)
    this.#random = seed | 1
  }

  /**
   * Writes the answer to a packet to `out` at `to`, where {@link MAX_ANSWER_OCTETS} have room; gives its length. 0: the table has
   * none.
   * @param question as read from the packet that begins at `start` of `packet`.
   */
  answer(question: RawQuestion, view: PacketView, target: Target, nowMs: number): number {
    let place = this.find(question)
    if (place >= 0 && this.isSized(place)) {
      question.widen(view.isIpv4)
      place = this.find(question)
    }
    if (place < 0) return 0
    const at = (this.#index[place + 1] as number) - 1
    if (at < 0) return 0
    const stamp = Atomics.load(this.#words, at * 2)
    const times = this.#times
    if (stamp === 0 || !(nowMs < (times[at + HEAD_TIMES.FRESH_UNTIL] as number))) return 0
    if (!this.#isOfNow(this.#words[at * 2 + HEAD.ERA] as number)) return 0
    const length = this.write(at, question, view, target, nowMs)
    this.slot = this.#words[at * 2 + HEAD.SLOT] as number
    // What was copied is good if the entry was there all the time. These must not be done before the copying, and an exchange is
    // not: it is a barrier in both directions, which a load is not on every machine.
    const isSame = Atomics.compareExchange(this.#words, at * 2, stamp, stamp) === stamp
    return isSame && Atomics.load(this.#index, place + 1) === at + 1 ? length : 0
  }

  /** The place of the entry with the question's key; -1: there is none. */
  find(question: RawQuestion): number {
    const { hash } = question
    const index = this.#index
    const group = groupAt(hash, index.length)
    for (let place = group; place < group + WAYS * PLACE_WORDS; place += PLACE_WORDS) {
      if (index[place] !== hash) continue
      const at = Atomics.load(index, place + 1) - 1
      if (at >= 0 && this.#hasKey(at, question)) return place
    }
    return -1
  }

  /** The slot of the entry in this place. */
  slotAt(place: number): number {
    return this.#words[((this.#index[place + 1] as number) - 1) * 2 + HEAD.SLOT] as number
  }

  /** Does the entry in this place only say that answers depend on how much the client takes? */
  isSized(place: number): boolean {
    const at = (this.#index[place + 1] as number) - 1
    return at >= 0 && ((this.#words[at * 2 + HEAD.FLAGS] as number) & ENTRY_FLAG.SIZED) !== 0
  }

  /** Writes the answer of the entry at `at`, whatever its state; gives its length. */
  write(
    at: number,
    question: RawQuestion,
    view: PacketView,
    target: Target,
    nowMs: number,
  ): number {
    const words = this.#words
    const { packet, start } = view
    const { out, to } = target
    const head = at * 2
    // An entry that is being overwritten can hold anything. Whatever it holds, nothing before the target is written, and all ends
    // soon; what was written is thrown away then.
    const length = words[head + HEAD.ANSWER_LENGTH] as number
    if (length < HEADER_OCTETS || length > MAX_ANSWER_OCTETS) return 0
    const from = at * 8 + HEAD_OCTETS
    copyWords(words, from >> 2, target, (length + 3) >> 2)
    out[to] = packet[start] as number
    out[to + 1] = packet[start + 1] as number
    out[to + 2] = (out[to + 2] as number) | question.recursionDesired
    const offsets = (from + length + 1) >> 1
    const cases = (words[head + HEAD.CASES] as number) & MAX_COUNT
    if (!question.isLowerCase) this.#writeCases(offsets, cases, question, view, target)
    const flags = words[head + HEAD.FLAGS] as number
    if ((flags & ENTRY_FLAG.COUNTS_DOWN) !== 0) {
      const ttl = Math.max(
        0,
        Math.ceil(((this.#times[at + HEAD_TIMES.TTL_END] as number) - nowMs) / 1000),
      )
      const count = (words[head + HEAD.TTLS] as number) & MAX_COUNT
      this.#writeTtls(offsets + cases * 2, count, ttl, target)
    }
    if ((flags & ENTRY_FLAG.HAS_EDNS) !== 0) {
      out[to + length - UDP_SIZE_FROM_END] = question.udpSize >> 8
      out[to + length - UDP_SIZE_FROM_END + 1] = question.udpSize & 0xff
    }
    if ((words[head + HEAD.ROTATION_COUNT] as number) > 1) this.#rotate(at, target)
    return length
  }

  /** Is this the mark of an era that goes on? */
  #isOfNow(mark: number): boolean {
    return mark === 0 || Atomics.load(this.#eras, cellOf(mark)) === mark
  }

  #hasKey(at: number, { hash, keyLength, keyWords }: RawQuestion): boolean {
    const words = this.#words
    const head = at * 2
    if (words[head + HEAD.HASH] !== hash || words[head + HEAD.KEY_LENGTH] !== keyLength)
      return false
    const from = head + (words[head + HEAD.KEY_WORD] as number)
    for (let word = 0; word << 2 < keyLength; word++) {
      if (words[from + word] !== keyWords[word]) return false
    }
    return true
  }

  #writeCases(
    offsets: number,
    count: number,
    { nameLength }: RawQuestion,
    { packet, start }: PacketView,
    { out, to }: Target,
  ): void {
    const shorts = this.#shorts
    for (let at = offsets; at < offsets + count * 2; at += 2) {
      const target = to + (shorts[at] as number)
      const from = shorts[at + 1] as number
      const name = start + HEADER_OCTETS
      for (let offset = from; offset < nameLength; offset++) {
        out[target + offset - from] = packet[name + offset] as number
      }
    }
  }

  #writeTtls(offsets: number, count: number, ttl: number, { out, to }: Target): void {
    for (let at = offsets; at < offsets + count; at++) {
      const target = to + (this.#shorts[at] as number)
      out[target] = ttl >>> 24
      out[target + 1] = (ttl >>> 16) & 0xff
      out[target + 2] = (ttl >>> 8) & 0xff
      out[target + 3] = ttl & 0xff
    }
  }

  /** Begins the addresses with a random one. */
  #rotate(at: number, { out, to }: Target): void {
    const words = this.#words
    const head = at * 2
    const stride = (words[head + HEAD.ROTATION_STRIDE] as number) & MAX_COUNT
    const count = (words[head + HEAD.ROTATION_COUNT] as number) & MAX_COUNT
    const octets = (words[head + HEAD.ROTATION_OCTETS] as number) & MAX_COUNT
    const first = (words[head + HEAD.ROTATION_AT] as number) & MAX_COUNT
    if (count === 0) return
    const from = at * 8 + HEAD_OCTETS + first
    const begin = (this.#nextRandom() >>> 0) % count
    for (let index = 0; index < count; index++) {
      const source = from + ((index + begin) % count) * stride
      const target = to + first + index * stride
      for (let offset = 0; offset < octets; offset++) {
        out[target + offset] = this.#octets[source + offset] as number
      }
    }
  }

  /** Marsaglia's xorshift. */
  #nextRandom(): number {
    let random = this.#random
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    this.#random = random
    return random
  }
}

/** A packet in a larger memory. */
export type PacketView = {
  readonly packet: Uint8Array
  readonly start: number
  readonly isIpv4: boolean
}

/** Where an answer goes: `to`, a multiple of 4, in a memory that is seen as octets and as words. */
export type Target = {
  readonly out: Uint8Array
  readonly outWords: Int32Array
  readonly to: number
}

function copyWords(
  source: Int32Array,
  from: number,
  { outWords, to }: Target,
  count: number,
): void {
  const first = to >> 2
  for (let word = 0; word < count; word++) outWords[first + word] = source[from + word] as number
}
