/** Work of one key is done one after the other, in the order in which it came; work of different keys side by side. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<void>>()

  /** Resolves or rejects as `work` does, once everything of this key that came before has ended. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(work)
    const ended = result.then(
      () => {},
      () => {},
    )
    this.#last.set(key, ended)
    void ended.then(() => {
      if (this.#last.get(key) === ended) this.#last.delete(key)
    })
    return result
  }
}
