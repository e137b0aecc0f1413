import { diffElements, type Element, type ElementChange, indexElements } from './element.ts'

/** Something that several owners may want, and the elements it is made of; those of two things never have equal keys. */
export type Claim = {
  readonly name: string
  /** Who wants it; the elements are what it is made of for that owner. */
  readonly owner: string
  readonly elements: readonly Element[]
}

/**
 * Things that several owners may want: two Services on one address and port, two endpoints on one pod. The owner whose
 * name sorts first has it with all its elements, so the outcome does not depend on who came first.
 */
export class SharedElements {
  /** Who wants each thing. Nearly always it is one owner, without a map: there are tens of thousands of things. */
  readonly #claims = new Map<string, Claim | Map<string, Claim>>()
  /** What the kernel has of the things touched since the last {@link takeChanges}. */
  readonly #touched = new Map<string, readonly Element[]>()

  claim(claim: Claim): void {
    const { name, owner } = claim
    const known = this.#touch(name)
    if (known instanceof Map) known.set(owner, claim)
    else if (known === undefined || known.owner === owner) this.#claims.set(name, claim)
    else this.#claims.set(name, new Map([known, claim].map(each => [each.owner, each])))
  }

  release({ owner, name }: Claim): void {
    const known = this.#touch(name)
    if (known instanceof Map) known.delete(owner)
    const isEmpty = known instanceof Map ? known.size === 0 : known?.owner === owner
    if (isEmpty) this.#claims.delete(name)
  }

  /** What became different since the last call. */
  takeChanges(): readonly ElementChange[] {
    const changes: ElementChange[] = []
    for (const [name, before] of this.#touched) {
      const after = elementsOf(this.#claims.get(name))
      if (before !== after)
        changes.push(...diffElements(indexElements(before), indexElements(after)))
    }
    this.#touched.clear()
    return changes
  }

  /** What became different until now is not asked for: the kernel has, or will be given, all elements. */
  dropChanges(): void {
    this.#touched.clear()
  }

  *elements(): Generator<Element> {
    for (const claims of this.#claims.values()) yield* elementsOf(claims)
  }

  /** Each thing with the owner that has it. */
  *owners(): Generator<{ readonly name: string; readonly owner: string }> {
    for (const [name, claims] of this.#claims) {
      const winner = winnerOf(claims)
      if (winner !== undefined) yield { name, owner: winner.owner }
    }
  }

  /** Who wants a thing that is about to change. */
  #touch(name: string): Claim | Map<string, Claim> | undefined {
    const claims = this.#claims.get(name)
    if (!this.#touched.has(name)) this.#touched.set(name, elementsOf(claims))
    return claims
  }
}

type Claims = Claim | ReadonlyMap<string, Claim> | undefined

const NOTHING: readonly Element[] = []

const elementsOf = (claims: Claims): readonly Element[] => winnerOf(claims)?.elements ?? NOTHING

const winnerOf = (claims: Claims): Claim | undefined =>
  claims instanceof Map
    ? (claims as ReadonlyMap<string, Claim>).values().reduce((a, b) => (a.owner < b.owner ? a : b))
    : (claims as Claim | undefined)
