import { isDeepStrictEqual } from 'node:util'
import { type Kind, keyOf, type ObjectOf } from './objects.ts'

/** What became of one object since a feed was last read: `before` undefined = new, `after` undefined = gone. */
export type ChangeOf<K extends Kind> = {
  readonly kind: K
  readonly key: string
  readonly before: ObjectOf[K] | undefined
  readonly after: ObjectOf[K] | undefined
}
export type Change = { [K in Kind]: ChangeOf<K> }[Kind]

/** All that changed since a feed was last read, one entry per object. */
export type Batch = {
  readonly changes: readonly Change[]
  /** The store's revision that this batch leads up to; see {@link Store.revision}. */
  readonly revision: number
  /** Have all kinds of the feed been listed completely? Nothing may be programmed or denied before. */
  readonly synced: boolean
}

/** What consumers see of the store. */
export interface StoreReader {
  get<K extends Kind>(kind: K, key: string): ObjectOf[K] | undefined
  /** In no particular order. */
  list<K extends Kind>(kind: K): Iterable<ObjectOf[K]>
  /** Has the first complete list of this kind arrived? Never becomes false again. */
  isSynced(kind: Kind): boolean
  /** A feed that first yields all that is there, then what changes. Dispose it when done. */
  feed(kinds: readonly Kind[]): Feed
  /**
   * Is what there is from an earlier time, and not confirmed since? What is missing may exist then. Absent: it never is. Asked often,
   * so quick; once false it stays so.
   */
  isStale?(): boolean
}

/** The changes of some kinds for one consumer, pulled when the consumer is ready for them. */
export interface Feed extends Disposable {
  /**
   * Takes what changed since the last call, or undefined when nothing did. The first batch after all kinds were listed is
   * yielded even when it is empty, so that a consumer learns of it.
   */
  take(): Batch | undefined
  /**
   * Waits for changes and takes them. What arrives in the same turn of the event loop comes as one batch.
   * Returns undefined once the feed is disposed; rejects with the signal's reason when it is aborted.
   */
  next(signal: AbortSignal): Promise<Batch | undefined>
}

/** What sources see of the store. */
export interface StoreWriter {
  /** What is stored, so that a source that lists again can keep equal objects instead of a second copy of them. */
  get<K extends Kind>(kind: K, key: string): ObjectOf[K] | undefined
  /** Adds or replaces one object. An object equal to the stored one changes nothing. */
  set<K extends Kind>(kind: K, object: ObjectOf[K]): void
  delete(kind: Kind, key: string): void
  /** A complete list: objects that it lacks are gone, equal ones are untouched, and the kind is synced. */
  replaceAll<K extends Kind>(kind: K, objects: Iterable<ObjectOf[K]>): void
}

type AnyMap = Map<string, ObjectOf[Kind]>

/**
 * The cluster as this process knows it. Sources write; consumers read feeds of coalesced changes. When a source loses
 * its server, nothing here changes: the last state keeps serving.
 */
export class Store implements StoreReader, StoreWriter {
  readonly #objects: { readonly [K in Kind]: Map<string, ObjectOf[K]> } = {
    Service: new Map(),
    EndpointSlice: new Map(),
    Node: new Map(),
    Namespace: new Map(),
    Pod: new Map(),
    ServiceCIDR: new Map(),
    ServiceImport: new Map(),
  }
  readonly #synced = new Set<Kind>()
  readonly #feeds = new Set<ChangeFeed>()
  #revision = 0

  /** Counts the changes; a consumer that handled a batch of revision n has seen every change up to n. */
  get revision(): number {
    return this.#revision
  }

  get<K extends Kind>(kind: K, key: string): ObjectOf[K] | undefined {
    return this.#objects[kind].get(key)
  }

  list<K extends Kind>(kind: K): Iterable<ObjectOf[K]> {
    return this.#objects[kind].values()
  }

  isSynced(kind: Kind): boolean {
    return this.#synced.has(kind)
  }

  feed(kinds: readonly Kind[]): ChangeFeed {
    const feed = new ChangeFeed(this, kinds, () => this.#feeds.delete(feed))
    for (const kind of kinds) {
      for (const [key, object] of this.#objects[kind]) feed.record(kind, key, undefined, object)
    }
    this.#feeds.add(feed)
    return feed
  }

  set<K extends Kind>(kind: K, object: ObjectOf[K]): void {
    const key = keyOf(object)
    const before = this.#objects[kind].get(key)
    if (before !== undefined && isDeepStrictEqual(before, object)) return
    this.#objects[kind].set(key, object)
    this.#publish(kind, key, before, object)
  }

  delete(kind: Kind, key: string): void {
    const before = this.#objects[kind].get(key)
    if (before === undefined) return
    this.#objects[kind].delete(key)
    this.#publish(kind, key, before, undefined)
  }

  replaceAll<K extends Kind>(kind: K, objects: Iterable<ObjectOf[K]>): void {
    const listed = new Set<string>()
    for (const object of objects) {
      listed.add(keyOf(object))
      this.set(kind, object)
    }
    for (const key of (this.#objects[kind] as AnyMap).keys()) {
      if (!listed.has(key)) this.delete(kind, key)
    }
    this.markListed(kind)
  }

  /** What is stored of this kind is a complete list. */
  markListed(kind: Kind): void {
    if (this.#synced.has(kind)) return
    this.#synced.add(kind)
    for (const feed of this.#feeds) feed.wake()
  }

  #publish(
    kind: Kind,
    key: string,
    before: ObjectOf[Kind] | undefined,
    after: ObjectOf[Kind] | undefined,
  ): void {
    this.#revision++
    for (const feed of this.#feeds) feed.record(kind, key, before, after)
  }
}

/**
 * The changes of some kinds for one consumer. It is pulled: while the consumer works, changes of one object merge into
 * one, so a slow consumer costs one entry per object and always gets the newest state. An object that ends up as the
 * consumer last saw it is not in the batch.
 */
export class ChangeFeed implements Feed {
  readonly #store: Store
  readonly #kinds: ReadonlySet<Kind>
  readonly #onDispose: () => void
  readonly #pending = new Map<string, Change>()
  #wakeUp: (() => void) | undefined
  #syncReported = false
  #isWaiting = false
  #disposed = false

  /** Use {@link Store.feed}. */
  constructor(store: Store, kinds: readonly Kind[], onDispose: () => void) {
    this.#store = store
    this.#kinds = new Set(kinds)
    this.#onDispose = onDispose
  }

  /** Called by the store for every change. */
  record(
    kind: Kind,
    key: string,
    before: ObjectOf[Kind] | undefined,
    after: ObjectOf[Kind] | undefined,
  ): void {
    if (!this.#kinds.has(kind)) return
    const id = `${kind} ${key}`
    const first = this.#pending.get(id)
    if (first !== undefined && isDeepStrictEqual(first.before, after)) {
      this.#pending.delete(id)
      return
    }
    const change = { kind, key, before: first === undefined ? before : first.before, after }
    this.#pending.set(id, change as Change)
    this.wake()
  }

  /** Lets a waiting consumer look again. */
  wake(): void {
    this.#wakeUp?.()
  }

  take(): Batch | undefined {
    if (this.#disposed) return undefined
    const synced = [...this.#kinds].every(kind => this.#store.isSynced(kind))
    const newlySynced = synced && !this.#syncReported
    if (this.#pending.size === 0 && !newlySynced) return undefined
    this.#syncReported = synced
    const changes = [...this.#pending.values()]
    this.#pending.clear()
    return { changes, revision: this.#store.revision, synced }
  }

  async next(signal: AbortSignal): Promise<Batch | undefined> {
    // A second waiter would take the first one's wake-up, and the first would wait for ever.
    if (this.#isWaiting) throw new Error('next: this feed already has somebody waiting')
    this.#isWaiting = true
    try {
      return await this.#nextBatch(signal)
    } finally {
      this.#isWaiting = false
    }
  }

  async #nextBatch(signal: AbortSignal): Promise<Batch | undefined> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#disposed) return undefined
      if (this.#wakeUp !== undefined)
        throw new Error('next: somebody is already waiting on this feed')
      await new Promise<void>(resolve => setImmediate(resolve))
      const batch = this.take()
      if (batch !== undefined) return batch
      // The turn of the event loop that was given away may have aborted the signal or disposed the feed.
      if (!signal.aborted && !this.#disposed) await this.#changed(signal)
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    this.#pending.clear()
    this.#onDispose()
    this.wake()
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#wakeUp = undefined
        reject(signal.reason as Error)
      }
      this.#wakeUp = () => {
        this.#wakeUp = undefined
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
