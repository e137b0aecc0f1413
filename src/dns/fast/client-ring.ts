import type { IpAddress } from '#net/ip.ts'

/** Places in the ring, a power of two, and words of 32 bits in each: a struct sockaddr_in6, and for how many answers it stands. */
const ENTRIES = 256
const NAME_WORDS = 7
const ENTRY_WORDS = NAME_WORDS + 1
const WORD_OCTETS = 4
/** Words before the entries. They run over; only differences mean something. */
const HEAD = { WRITTEN: 0, ANSWERS: 1 } as const
const HEAD_WORDS = 2

/** The client in a struct sockaddr; undefined: it is of another family. */
export type AddressOf = (name: Uint8Array) => IpAddress | undefined

/** A client, and for how many answers it stands. */
export type SampledClient = { readonly address: IpAddress; readonly answers: number }

/**
 * Who was answered, a sample: one client of each batch of packets, for all of its answers. Under little load batches have one
 * packet, and the sample is all there is. Written by one worker without a lock, read by one other thread now and then; what the
 * worker writes meanwhile over what is being read is left out.
 */
export class ClientRing {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  #seenWritten = 0
  #seenAnswers = 0

  constructor(memory = new SharedArrayBuffer((HEAD_WORDS + ENTRIES * ENTRY_WORDS) * WORD_OCTETS)) {
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  /** @param from where in `words` the client's struct sockaddr begins. */
  note(words: Int32Array, from: number, answers: number): void {
    const ring = this.#words
    const written = ring[HEAD.WRITTEN] as number
    const to = HEAD_WORDS + (written & (ENTRIES - 1)) * ENTRY_WORDS
    for (let word = 0; word < NAME_WORDS; word++) ring[to + word] = words[from + word] as number
    ring[to + NAME_WORDS] = answers
    ring[HEAD.ANSWERS] = (ring[HEAD.ANSWERS] as number) + answers
    Atomics.store(ring, HEAD.WRITTEN, written + 1)
  }

  /** The newest clients since the last time; together they stand for all answers since then. */
  drain(addressOf: AddressOf): readonly SampledClient[] {
    const written = Atomics.load(this.#words, HEAD.WRITTEN)
    const fresh = Math.min((written - this.#seenWritten) >>> 0, ENTRIES)
    if (fresh === 0) return []
    const copy = this.#words.slice()
    const answers = ((copy[HEAD.ANSWERS] as number) - this.#seenAnswers) >>> 0
    this.#seenWritten = written
    this.#seenAnswers = copy[HEAD.ANSWERS] as number
    const meanwhile = (Atomics.load(this.#words, HEAD.WRITTEN) - written) >>> 0
    // The place behind the newest may be half written.
    const first = Math.max(0, fresh + meanwhile - ENTRIES + 1)
    const sampled: SampledClient[] = []
    for (let index = first; index < fresh; index++) {
      const place = (written - fresh + index) & (ENTRIES - 1)
      const answers = answersAt(copy, place)
      const address = addressOf(nameAt(copy, place))
      if (address !== undefined) sampled.push({ address, answers })
    }
    return scaledTo(answers, sampled)
  }
}

const startOf = (place: number): number => HEAD_WORDS + place * ENTRY_WORDS

const answersAt = (words: Int32Array, place: number): number =>
  words[startOf(place) + NAME_WORDS] as number

const nameAt = (words: Int32Array, place: number): Uint8Array =>
  new Uint8Array(words.buffer, startOf(place) * WORD_OCTETS, NAME_WORDS * WORD_OCTETS)

function scaledTo(total: number, sampled: readonly SampledClient[]): readonly SampledClient[] {
  const sum = sampled.reduce((all, { answers }) => all + answers, 0)
  const scale = sum === 0 ? 0 : total / sum
  return sampled.map(({ address, answers }) => ({ address, answers: Math.round(answers * scale) }))
}
