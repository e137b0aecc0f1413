import { ERA_CELLS } from './era-cells.ts'

/**
 * The memory of a table of ready-made answers, which one thread writes and many read.
 *
 * `index` has places in groups; a place is the hash of a key and where the entry begins in `arena`, in units of 8 octets, plus 1
 * (0: empty). An entry is a head of {@link HEAD_OCTETS}, the answer, the offsets of what differs from query to query, the key; answer and key begin with a word.
 */
export type TableMemory = {
  readonly index: SharedArrayBuffer
  readonly arena: SharedArrayBuffer
  /** See EraCells. */
  readonly eras: SharedArrayBuffer
}

/** Places a key may be in: enough that few are driven out while the table is half full. */
export const WAYS = 4
export const PLACE_WORDS = 2

/** Words of 32 bits of an entry's head. */
export const HEAD = {
  /** A number no other entry ever has, 0 while the entry must not be used. */
  STAMP: 0,
  HASH: 1,
  /** Where its uses are counted. */
  SLOT: 2,
  KEY_LENGTH: 3,
  FLAGS: 4,
  ANSWER_LENGTH: 5,
  CASES: 6,
  TTLS: 7,
  ROTATION_AT: 8,
  ROTATION_STRIDE: 9,
  ROTATION_COUNT: 10,
  ROTATION_OCTETS: 11,
  /** Where the key begins, in words from the head's begin. */
  KEY_WORD: 16,
  /** The mark of the era that it was made in, 0 without one. */
  ERA: 17,
} as const
/** Doubles of an entry's head, in units of 8 octets: milliseconds of the monotonic clock. */
export const HEAD_TIMES = {
  /** Until when it is given. */
  FRESH_UNTIL: 6,
  /** To when its TTLs count down, if they do. */
  TTL_END: 7,
} as const
export const HEAD_OCTETS = 72

export const ENTRY_FLAG = {
  /** Not an answer: its octets depend on how much the client takes. See RawQuestion.widen. */
  SIZED: 1,
  COUNTS_DOWN: 2,
  HAS_EDNS: 4,
} as const

/** Longer answers go the slow way, octets. */
export const MAX_ANSWER_OCTETS = 4096

/** The number of uses in one slot, by family of the client. */
export const COUNTERS_PER_SLOT = 2

/** @param octets of the arena, a multiple of 8; the index has room for entries of 128 octets, at half. */
export function createTableMemory(octets: number): TableMemory {
  const places = 2 ** Math.ceil(Math.log2(octets / 128)) * 2
  return {
    index: new SharedArrayBuffer(places * PLACE_WORDS * 4),
    arena: new SharedArrayBuffer(octets),
    eras: new SharedArrayBuffer(ERA_CELLS * 4),
  }
}

/** Slots of a table: as many as entries of 256 octets have room, for none is much smaller. */
export const slotsOf = ({ arena }: TableMemory): number => arena.byteLength / 256

/** Where the group of places begins for a hash, in words of the index. */
export const groupAt = (hash: number, indexWords: number): number =>
  (hash & (indexWords / (WAYS * PLACE_WORDS) - 1)) * (WAYS * PLACE_WORDS)

/** Milliseconds of a clock that all threads of the process share and that never goes back. */
export function sharedClockMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
