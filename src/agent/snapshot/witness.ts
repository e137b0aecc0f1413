import type { RequestOutcome } from '#cluster/api/client.ts'
import type { Kind, ObjectOf } from '#cluster/objects.ts'
import type { Store, StoreWriter } from '#cluster/store.ts'
import type { Clock } from '#runtime/clock.ts'

/**
 * Stands between a source and the store and notes what the source has shown: which kinds it has listed whole, and when it was heard
 * of last. What a snapshot put into the store before is no word of the source.
 */
export class SourceWitness implements StoreWriter {
  readonly #store: Store
  readonly #clock: Clock
  readonly #listed = new Set<Kind>()
  #heardMs: number | undefined
  #hasFailed = false
  /** Has nothing been heard since a request failed? */
  #isSilent = false

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Has the source listed this kind whole? */
  hasListed(kind: Kind): boolean {
    return this.#listed.has(kind)
  }

  /** When the source last sent anything, milliseconds since the epoch; undefined: never. */
  get heardMs(): number | undefined {
    return this.#heardMs
  }

  /** When the source was heard of last, where it does not answer now; undefined when it does. */
  get silentSinceMs(): number | undefined {
    return this.#isSilent ? this.#heardMs : undefined
  }

  /** Was a request without any answer? */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** To be told of every request. */
  requested({ code }: Pick<RequestOutcome, 'code'>): void {
    if (code.startsWith('2')) this.#heard()
    else if (code === '<error>') this.#hasFailed = true
    // What a server refuses for good, such as a kind that it does not know, says nothing of its health.
    if (code === '<error>' || code === '401' || code.startsWith('5')) this.#isSilent = true
  }

  get<K extends Kind>(kind: K, key: string): ObjectOf[K] | undefined {
    return this.#store.get(kind, key)
  }

  set<K extends Kind>(kind: K, object: ObjectOf[K]): void {
    this.#heard()
    this.#store.set(kind, object)
  }

  delete(kind: Kind, key: string): void {
    this.#heard()
    this.#store.delete(kind, key)
  }

  replaceAll<K extends Kind>(kind: K, objects: Iterable<ObjectOf[K]>): void {
    this.#heard()
    this.#listed.add(kind)
    this.#store.replaceAll(kind, objects)
  }

  #heard(): void {
    this.#isSilent = false
    this.#heardMs = this.#clock.now()
  }
}
