/**
 * The time in which nothing changed that many answers depend on. They end with it all at once, however many there are: whoever keeps
 * one compares two numbers when it is asked for, and nobody walks over what is kept.
 */
export class Era {
  #number = 0
  readonly #listeners = new Set<() => void>()

  /** Which one it is now; an answer of another number is not right any more. */
  get number(): number {
    return this.#number
  }

  /** Begins the next one, before anyone can see what changed. */
  next(): void {
    this.#number++
    for (const listener of this.#listeners) listener()
  }

  /** `onNext` is called whenever the next one has begun; the function that this gives ends that. */
  watch(onNext: () => void): () => void {
    this.#listeners.add(onNext)
    return () => this.#listeners.delete(onNext)
  }
}

/** When an answer was made. */
export type MadeIn = { readonly era: Era; readonly number: number }

/** Now. */
export const madeNow = (era: Era): MadeIn => ({ era, number: era.number })

/** Has nothing changed since? */
export const isOfNow = ({ era, number }: MadeIn): boolean => era.number === number
