/** What a thing was, and what it has become; undefined: there is none. */
export type ClaimChange<T> = { readonly before: T | undefined; readonly after: T | undefined }

type Claim<T> = { readonly owner: string; readonly value: T }

/**
 * Things, by their keys, that several owners may want: two Services on one address and port, two endpoints in one set.
 * The owner whose name sorts first has it, so the outcome does not depend on who came first.
 */
export class Claims<T> {
  /** Sorted by owner. */
  readonly #claims = new Map<string, readonly Claim<T>[]>()
  /** What the things touched since the last {@link takeChanges} were then. */
  readonly #touched = new Map<string, T | undefined>()

  claim(owner: string, key: string, value: T): void {
    const others = this.#touch(key).filter(claim => claim.owner !== owner)
    const claims = [...others, { owner, value }]
    this.#claims.set(key, claims.length === 1 ? claims : claims.sort(byOwner))
  }

  release(owner: string, key: string): void {
    const others = this.#touch(key).filter(claim => claim.owner !== owner)
    if (others.length === 0) this.#claims.delete(key)
    else this.#claims.set(key, others)
  }

  /** What of the touched things has become different since the last call. */
  takeChanges(): readonly ClaimChange<T>[] {
    const changes: ClaimChange<T>[] = []
    for (const [key, before] of this.#touched) {
      const after = this.get(key)
      if (before !== after) changes.push({ before, after })
    }
    this.#touched.clear()
    return changes
  }

  get(key: string): T | undefined {
    return this.#claims.get(key)?.[0]?.value
  }

  *entries(): Generator<readonly [string, T]> {
    for (const [key, [first]] of this.#claims) if (first !== undefined) yield [key, first.value]
  }

  #touch(key: string): readonly Claim<T>[] {
    if (!this.#touched.has(key)) this.#touched.set(key, this.get(key))
    return this.#claims.get(key) ?? []
  }
}

const byOwner = <T>(a: Claim<T>, b: Claim<T>): number => (a.owner < b.owner ? -1 : 1)
