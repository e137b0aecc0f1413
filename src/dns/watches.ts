/** What answers were made from, and who wants to hear when it changes. */
export class Watches {
  readonly #watches = new Map<string, Set<() => void>>()

  /** `onChange` is called when one of `sources` is touched; the function that this gives ends that. */
  watch(sources: readonly string[], onChange: () => void): () => void {
    for (const source of sources) {
      const set = this.#watches.get(source) ?? new Set()
      this.#watches.set(source, set)
      set.add(onChange)
    }
    return () => {
      for (const source of sources) {
        const set = this.#watches.get(source)
        set?.delete(onChange)
        if (set?.size === 0) this.#watches.delete(source)
      }
    }
  }

  /** Tells all that watch `source`. They may end their watches meanwhile. */
  touch(source: string): void {
    for (const onChange of this.#watches.get(source) ?? []) onChange()
  }
}
