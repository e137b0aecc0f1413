import { type Kind, keyOf, type ObjectOf } from './objects.ts'
import type { SelectedKeys } from './selected-keys.ts'
import type { Batch, Change, Feed, StoreReader } from './store.ts'

/**
 * A store as one sees it who may see selected objects only.
 * @param options.kinds those that are selected from; of others everything is seen.
 */
export function selectedReader(
  reader: StoreReader,
  options: { readonly kinds: ReadonlySet<Kind>; readonly keys: SelectedKeys },
): StoreReader {
  const { kinds, keys } = options
  const isSeen = (kind: Kind, key: string) => !kinds.has(kind) || keys.has(kind, key)
  return {
    get: (kind, key) => (isSeen(kind, key) ? reader.get(kind, key) : undefined),
    *list(kind) {
      for (const object of reader.list(kind)) if (isSeen(kind, keyOf(object))) yield object
    },
    isSynced: kind => reader.isSynced(kind) && (!kinds.has(kind) || keys.isSynced(kind)),
    feed: wanted => new SelectedFeed(reader.feed(wanted), { kinds, keys, wanted }),
    isStale: () => reader.isStale?.() === true,
  }
}

type Selecting = {
  readonly kinds: ReadonlySet<Kind>
  readonly keys: SelectedKeys
  readonly wanted: readonly Kind[]
}

/** An object of a kind that is selected from: as it is, and as the consumer was told. */
type Known = {
  readonly kind: Kind
  readonly key: string
  current: ObjectOf[Kind] | undefined
  told: ObjectOf[Kind] | undefined
}

class SelectedFeed implements Feed {
  readonly #inner: Feed
  readonly #selecting: Selecting
  readonly #known = new Map<string, Known>()
  /** Of {@link #known}: those that may have to be told of. */
  readonly #touched = new Set<string>()
  readonly #unwatch: () => void
  #interrupt = new AbortController()
  #last: Pick<Batch, 'revision' | 'synced'> = { revision: 0, synced: false }
  #syncTold = false

  constructor(inner: Feed, selecting: Selecting) {
    this.#inner = inner
    this.#selecting = selecting
    this.#unwatch = selecting.keys.watch((kind, key) => {
      if (key !== undefined) this.#touched.add(idOf(kind, key))
      this.#interrupt.abort()
    })
  }

  take(): Batch | undefined {
    return this.#batchFrom(this.#inner.take())
  }

  async next(signal: AbortSignal): Promise<Batch | undefined> {
    for (;;) {
      signal.throwIfAborted()
      this.#interrupt = new AbortController()
      const waiting = this.#batchFrom(undefined)
      if (waiting !== undefined) return waiting
      try {
        // Not kept in a variable: a suspended function would hold the batch, a whole cluster at first.
        const next = this.#inner.next(AbortSignal.any([signal, this.#interrupt.signal]))
        const found = await next.then(batch => batch && (this.#batchFrom(batch) ?? 'nothing'))
        if (found !== 'nothing') return found
      } catch (error) {
        if (signal.aborted || !this.#interrupt.signal.aborted) throw error
      }
    }
  }

  [Symbol.dispose](): void {
    this.#unwatch()
    this.#known.clear()
    this.#touched.clear()
    this.#inner[Symbol.dispose]()
  }

  /** What the consumer has not been told yet, with what the store brought. */
  #batchFrom(inner: Batch | undefined): Batch | undefined {
    const { kinds, keys, wanted } = this.#selecting
    // Not the batch itself: it holds a whole cluster at first.
    if (inner !== undefined) this.#last = { revision: inner.revision, synced: inner.synced }
    const passed = (inner?.changes ?? []).filter(change => !kinds.has(change.kind))
    for (const change of inner?.changes ?? []) if (kinds.has(change.kind)) this.#note(change)
    const changes = [...passed, ...this.#selectedChanges()]
    const selected = wanted.every(kind => !kinds.has(kind) || keys.isSynced(kind))
    const synced = this.#last.synced && selected
    if (changes.length === 0 && synced === this.#syncTold) return undefined
    this.#syncTold = synced
    return { changes, revision: this.#last.revision, synced }
  }

  #note({ kind, key, after }: Change): void {
    const id = idOf(kind, key)
    const known = this.#known.get(id)
    if (known === undefined) this.#known.set(id, { kind, key, current: after, told: undefined })
    else known.current = after
    this.#touched.add(id)
  }

  #selectedChanges(): readonly Change[] {
    const changes: Change[] = []
    for (const id of this.#touched) {
      const known = this.#known.get(id)
      // Selected, but not here yet: it is noted when it comes.
      if (known === undefined) continue
      const { kind, key, current, told: before } = known
      const after = this.#selecting.keys.has(kind, key) ? current : undefined
      if (before !== after) changes.push({ kind, key, before, after } as Change)
      known.told = after
      if (current === undefined) this.#known.delete(id)
    }
    this.#touched.clear()
    return changes
  }
}

const idOf = (kind: Kind, key: string): string => `${kind} ${key}`
