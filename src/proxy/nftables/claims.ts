import { diffElements, type Element, type ElementChange, indexElements } from './element.ts'

/** Something that several owners may want, and the elements it is made of; those of two things never have equal keys. */
export type Claim = { readonly name: string; readonly elements: readonly Element[] }

type Claimed = Map<string, readonly Element[]>

/**
 * Things that several owners may want: two Services on one address and port, two endpoints on one pod. The owner whose
 * name sorts first has it with all its elements, so the outcome does not depend on who came first.
 */
export class SharedElements {
  /** The elements of each thing by owner. */
  readonly #claims = new Map<string, Claimed>()
  /** What the kernel has of the things touched since the last {@link takeChanges}. */
  readonly #touched = new Map<string, readonly Element[]>()

  claim(owner: string, { name, elements }: Claim): void {
    this.#touch(name).set(owner, elements)
  }

  release(owner: string, name: string): void {
    this.#touch(name).delete(owner)
  }

  /** What became different since the last call. */
  takeChanges(): readonly ElementChange[] {
    const changes: ElementChange[] = []
    for (const [name, before] of this.#touched) {
      const claimed = this.#claims.get(name)
      const after = winnerOf(claimed)
      if (before !== after)
        changes.push(...diffElements(indexElements(before), indexElements(after)))
      if (claimed?.size === 0) this.#claims.delete(name)
    }
    this.#touched.clear()
    return changes
  }

  *elements(): Generator<Element> {
    for (const claimed of this.#claims.values()) yield* winnerOf(claimed)
  }

  /** Each thing with the owner that has it. */
  *owners(): Generator<{ readonly name: string; readonly owner: string }> {
    for (const [name, claimed] of this.#claims) {
      if (claimed.size > 0) yield { name, owner: firstOf(claimed) }
    }
  }

  #touch(name: string): Claimed {
    const claimed = this.#claims.get(name) ?? new Map<string, readonly Element[]>()
    this.#claims.set(name, claimed)
    if (!this.#touched.has(name)) this.#touched.set(name, winnerOf(claimed))
    return claimed
  }
}

const NOTHING: readonly Element[] = []

function winnerOf(claimed: Claimed | undefined): readonly Element[] {
  if (claimed === undefined || claimed.size === 0) return NOTHING
  if (claimed.size === 1) return claimed.values().next().value as readonly Element[]
  return claimed.get(firstOf(claimed)) as readonly Element[]
}

const firstOf = (claimed: Claimed): string => [...claimed.keys()].reduce((a, b) => (a < b ? a : b))
