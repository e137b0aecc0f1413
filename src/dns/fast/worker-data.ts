import type { TableMemory } from './table-memory.ts'

/** What a worker is started with. */
export type WorkerData = {
  readonly fd: number
  readonly listener: number
  readonly table: TableMemory
  /** Of the hashes of the table. */
  readonly seed: number
  readonly counters: SharedArrayBuffer
  /** Who was answered, see ClientRing. */
  readonly clients: SharedArrayBuffer
  /** One word: packets handed to the main thread that it has not seen yet. */
  readonly waiting: SharedArrayBuffer
}

/** What a worker says once: it takes packets from now on. */
export const READY = 'ready'
