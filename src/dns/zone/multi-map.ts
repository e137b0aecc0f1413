/** Several values per key, made for the case that nearly every key has one: that one needs no array. */
export class MultiMap<K, V extends object> {
  readonly #values = new Map<K, V | V[]>()

  /** In no particular order; empty when there is none. */
  get(key: K): readonly V[] {
    const found = this.#values.get(key)
    if (found === undefined) return []
    return Array.isArray(found) ? found : [found]
  }

  /** Adds `value` unless the key has it already. */
  add(key: K, value: V): void {
    const found = this.#values.get(key)
    if (found === undefined) this.#values.set(key, value)
    else if (!Array.isArray(found)) {
      if (found !== value) this.#values.set(key, [found, value])
    } else if (!found.includes(value)) found.push(value)
  }

  delete(key: K, value: V): void {
    const found = this.#values.get(key)
    if (found === value) this.#values.delete(key)
    if (!Array.isArray(found)) return
    const rest = found.filter(other => other !== value)
    this.#values.set(key, rest.length === 1 ? (rest[0] as V) : rest)
  }
}
