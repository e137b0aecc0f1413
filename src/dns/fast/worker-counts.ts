import { type AddressOf, ClientRing } from './client-ring.ts'
import { COUNTERS_PER_SLOT } from './table-memory.ts'
import { UseCounters } from './use-counters.ts'

/** One worker's book, and how far it has been read. */
export type WorkerBook = {
  readonly counters: UseCounters
  readonly clients: ClientRing
  readonly addressOf: AddressOf
  readonly seen: Uint32Array
  seenBusyMs: number
  seenTotal: number
}

/** Told how often an answer was given, by family of the clients. */
export type Count = (uses: number, family: 4 | 6) => void

const families = [
  [0, 4],
  [1, 6],
] as const

/** What the workers have counted since it was read last. */
export class WorkerCounts {
  readonly #books = new Set<WorkerBook>()
  /** Of one use, as last seen. */
  #meanSeconds = 0

  /** How long an answer takes. */
  get meanSeconds(): number {
    return this.#meanSeconds
  }

  /** A book for one more worker. @param addressOf reads whom it answered. */
  open(slots: number, addressOf: AddressOf): WorkerBook {
    const counters = UseCounters.forSlots(slots)
    const seen = new Uint32Array(counters.uses.length)
    const clients = new ClientRing()
    const book: WorkerBook = { counters, clients, addressOf, seen, seenBusyMs: 0, seenTotal: 0 }
    this.#books.add(book)
    return book
  }

  close(book: WorkerBook): void {
    this.#books.delete(book)
  }

  books(): Iterable<WorkerBook> {
    return this.#books
  }

  /** Reads the uses of one slot. */
  read(slot: number, count: Count | undefined): void {
    for (const { counters, seen } of this.#books) {
      for (const [offset, family] of families) {
        const at = slot * COUNTERS_PER_SLOT + offset
        const uses = Atomics.load(counters.uses, at)
        const more = (uses - (seen[at] as number)) >>> 0
        seen[at] = uses
        if (more > 0) count?.(more, family)
      }
    }
  }

  /** Workers measure batches, not queries: each use is taken to have lasted as long as the mean of its time. */
  measureMean(): void {
    let ms = 0
    let uses = 0
    for (const book of this.#books) {
      ms += book.counters.busyMs - book.seenBusyMs
      book.seenBusyMs = book.counters.busyMs
      uses += book.counters.total - book.seenTotal
      book.seenTotal = book.counters.total
    }
    if (uses > 0) this.#meanSeconds = ms / uses / 1000
  }
}
