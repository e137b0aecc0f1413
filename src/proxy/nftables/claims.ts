import type { Container, Element, ElementChange } from './element.ts'

type Claims = {
  readonly container: Container
  readonly key: string
  readonly values: Map<string, string>
}

/**
 * Elements that several owners may want: two Services on one address and port, two endpoints on one pod. The owner
 * whose name sorts first has it, so the outcome does not depend on who came first.
 */
export class SharedElements {
  readonly #claims = new Map<string, Claims>()
  /** What the kernel has of the elements touched since the last {@link takeChanges}. */
  readonly #touched = new Map<
    string,
    { readonly claims: Claims; readonly before: string | undefined }
  >()

  claim(owner: string, { container, key, value }: Element): void {
    this.#touch(container, key).values.set(owner, value)
  }

  release(owner: string, { container, key }: Pick<Element, 'container' | 'key'>): void {
    this.#touch(container, key).values.delete(owner)
  }

  /** What became different since the last call. */
  takeChanges(): readonly ElementChange[] {
    const changes: ElementChange[] = []
    for (const [name, { claims, before }] of this.#touched) {
      const { container, key } = claims
      const after = winnerOf(claims)
      if (before !== after) changes.push({ container, key, before, after })
      if (claims.values.size === 0) this.#claims.delete(name)
    }
    this.#touched.clear()
    return changes
  }

  *elements(): Generator<Element> {
    for (const claims of this.#claims.values()) {
      const value = winnerOf(claims)
      if (value !== undefined) yield { container: claims.container, key: claims.key, value }
    }
  }

  #touch(container: Container, key: string): Claims {
    const name = `${container} ${key}`
    const claims = this.#claims.get(name) ?? { container, key, values: new Map() }
    this.#claims.set(name, claims)
    if (!this.#touched.has(name)) this.#touched.set(name, { claims, before: winnerOf(claims) })
    return claims
  }
}

function winnerOf({ values }: Claims): string | undefined {
  if (values.size < 2) return values.values().next().value
  const first = [...values.keys()].reduce((a, b) => (a < b ? a : b))
  return values.get(first)
}
