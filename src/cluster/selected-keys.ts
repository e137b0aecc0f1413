import { type ClusterObject, type Kind, keyOf } from './objects.ts'
import type { StoreWriter } from './store.ts'

/**
 * Which objects a source brings, and nothing of the objects: to select by labels among those of a store, whose objects have only the
 * labels that somebody reads. A source writes; {@link SelectedReader} reads.
 */
export class SelectedKeys implements StoreWriter {
  readonly #keys = new Map<Kind, Set<string>>()
  readonly #synced = new Set<Kind>()
  readonly #watches = new Set<(kind: Kind, key: string | undefined) => void>()

  has(kind: Kind, key: string): boolean {
    return this.#keys.get(kind)?.has(key) === true
  }

  /** Has the first complete list of this kind arrived? */
  isSynced(kind: Kind): boolean {
    return this.#synced.has(kind)
  }

  /** Tells of every key that came or went, and without key when a kind is synced; the function that this gives ends that. */
  watch(onChange: (kind: Kind, key: string | undefined) => void): () => void {
    this.#watches.add(onChange)
    return () => void this.#watches.delete(onChange)
  }

  /** Nothing is stored that could be kept. */
  get(): undefined {
    return undefined
  }

  set(kind: Kind, object: ClusterObject): void {
    const keys = this.#keysOf(kind)
    const key = keyOf(object)
    if (keys.has(key)) return
    keys.add(key)
    this.#tell(kind, key)
  }

  delete(kind: Kind, key: string): void {
    if (this.#keysOf(kind).delete(key)) this.#tell(kind, key)
  }

  replaceAll(kind: Kind, objects: Iterable<ClusterObject>): void {
    const listed = new Set<string>()
    for (const object of objects) {
      listed.add(keyOf(object))
      this.set(kind, object)
    }
    for (const key of this.#keysOf(kind)) if (!listed.has(key)) this.delete(kind, key)
    if (this.#synced.has(kind)) return
    this.#synced.add(kind)
    this.#tell(kind, undefined)
  }

  #keysOf(kind: Kind): Set<string> {
    const keys = this.#keys.get(kind) ?? new Set<string>()
    this.#keys.set(kind, keys)
    return keys
  }

  #tell(kind: Kind, key: string | undefined): void {
    for (const onChange of this.#watches) onChange(kind, key)
  }
}
