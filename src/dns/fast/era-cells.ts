import type { Era, MadeIn } from '../era.ts'

/** As many as an octet can tell apart; cell 0 is that of entries without era. */
export const ERA_CELLS = 256

/** An era of 16 million changes ago looks like the one of now: no entry gets so old. */
const NUMBER_BITS = 24

/** The marks of the eras in the memory that the workers see: an entry with another mark is not given. Written by one thread. */
export class EraCells {
  readonly #cells: Int32Array
  readonly #taken = new Map<Era, { readonly cell: number; readonly end: () => void }>()

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory)
  }

  /** The mark of an entry that was made then; undefined: there are too many eras. Without era it is 0. */
  mark(madeIn: MadeIn | undefined): number | undefined {
    if (madeIn === undefined) return 0
    const cell = this.#taken.get(madeIn.era)?.cell ?? this.#take(madeIn.era)
    return cell && markOf(cell, madeIn.number)
  }

  /** Forgets all eras. No entry that is in use may have a mark of them. */
  clear(): void {
    for (const { end } of this.#taken.values()) end()
    this.#taken.clear()
  }

  #take(era: Era): number | undefined {
    const cell = this.#taken.size + 1
    if (cell === ERA_CELLS) return undefined
    const show = () => {
      Atomics.store(this.#cells, cell, markOf(cell, era.number))
    }
    show()
    this.#taken.set(era, { cell, end: era.watch(show) })
    return cell
  }
}

const markOf = (cell: number, number: number): number =>
  (cell << NUMBER_BITS) | (number & ((1 << NUMBER_BITS) - 1))

/** The cell that shows the mark of now of an entry's era. */
export const cellOf = (mark: number): number => mark >>> NUMBER_BITS
