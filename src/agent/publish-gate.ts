import type { Service } from '#cluster/objects.ts'
import type { Batch, Change, Feed, StoreReader } from '#cluster/store.ts'
import { familyOf, type IpAddress, type IpFamily, parseIpLenient } from '#net/ip.ts'

/**
 * Program, then publish: a name must not be answered with a ClusterIP before that Service's rules are in this node's
 * kernel, else its first packets go nowhere. The gate stands between the store and DNS: a Service that brings a ClusterIP is
 * held back until the proxy says that it has programmed a revision at or past it. Everything else passes at once.
 */
export class PublishGate {
  readonly #store: StoreReader
  readonly #feeds = new Set<GatedFeed>()
  readonly #programmed = new Map<IpFamily, number>()

  constructor(store: StoreReader) {
    this.#store = store
  }

  /** The proxy has all changes up to `revision` in the kernel's rules of `family`. */
  programmed(family: IpFamily, revision: number): void {
    this.#programmed.set(family, Math.max(this.#programmed.get(family) ?? 0, revision))
    for (const feed of this.#feeds) feed.wake()
  }

  /** The store as DNS may see it. Only feeds are gated: consumers build their state from feeds. */
  reader(): StoreReader {
    return {
      get: (kind, key) => this.#store.get(kind, key),
      list: kind => this.#store.list(kind),
      isSynced: kind => this.#store.isSynced(kind),
      feed: kinds => {
        const feed = new GatedFeed(this.#store.feed(kinds), this.#programmed, () =>
          this.#feeds.delete(feed),
        )
        this.#feeds.add(feed)
        return feed
      },
    }
  }
}

type Held = {
  readonly change: Change
  /** Those of the addresses it brings: the other family may fail without holding it. */
  readonly families: readonly IpFamily[]
  readonly revision: number
}

class GatedFeed implements Feed {
  readonly #inner: Feed
  readonly #programmed: ReadonlyMap<IpFamily, number>
  readonly #onDispose: () => void
  readonly #held = new Map<string, Held>()
  /** Has the proxy got further since {@link #held} was looked through? While a cluster is read that is all of it. */
  #gotFurther = false
  #listed = false
  #synced = false
  #revision = 0
  #interrupt = new AbortController()

  constructor(inner: Feed, programmed: ReadonlyMap<IpFamily, number>, onDispose: () => void) {
    this.#inner = inner
    this.#programmed = programmed
    this.#onDispose = onDispose
  }

  take(): Batch | undefined {
    const batch = this.#inner.take()
    if (batch === undefined) return this.#release([])
    return this.#release(this.#admit(batch), batch)
  }

  async next(signal: AbortSignal): Promise<Batch | undefined> {
    for (;;) {
      signal.throwIfAborted()
      this.#interrupt = new AbortController()
      try {
        const released = this.#release([])
        if (released !== undefined) return released
        // Not kept in a variable: a suspended function would hold the batch, a whole cluster at first.
        const next = this.#inner.next(AbortSignal.any([signal, this.#interrupt.signal]))
        const admitted = await next.then(batch => this.#pass(batch))
        if (admitted !== 'held') return admitted
      } catch (error) {
        if (signal.aborted || !this.#interrupt.signal.aborted) throw error
      }
    }
  }

  /** The proxy got further: look at what is held. */
  wake(): void {
    this.#gotFurther = true
    this.#interrupt.abort()
  }

  [Symbol.dispose](): void {
    this.#onDispose()
    this.#inner[Symbol.dispose]()
  }

  /** What may pass of a batch, undefined at the end, or `held` when nothing may. */
  #pass(batch: Batch | undefined): Batch | 'held' | undefined {
    return batch && (this.#release(this.#admit(batch), batch) ?? 'held')
  }

  /** The changes that may pass at once; the others are remembered, merged per object. */
  #admit(batch: Batch): readonly Change[] {
    this.#revision = batch.revision
    const pass: Change[] = []
    for (const change of batch.changes) {
      const id = `${change.kind} ${change.key}`
      const held = this.#held.get(id)
      this.#held.delete(id)
      const before = held === undefined ? change.before : held.change.before
      const merged = { ...change, before } as Change
      const families = familiesBrought(merged)
      const bringing = { change: merged, families, revision: batch.revision }
      if (this.#isEarly(bringing)) this.#held.set(id, bringing)
      else if (before !== undefined || change.after !== undefined) pass.push(merged)
    }
    return pass
  }

  /** Would this be answered before the rules are there? */
  #isEarly({ families, revision }: Held): boolean {
    return families.some(family => revision > (this.#programmed.get(family) ?? 0))
  }

  /** `pass` and what the proxy has caught up with, or undefined when there is nothing to tell. */
  #release(pass: readonly Change[], batch?: Batch): Batch | undefined {
    const changes = [...pass]
    for (const [id, held] of this.#gotFurther ? this.#held : []) {
      if (this.#isEarly(held)) continue
      this.#held.delete(id)
      changes.push(held.change)
    }
    this.#gotFurther = false
    // The consumer may only take silence for "there is no such Service" once the first full list has passed the gate.
    const listed = batch?.synced === true || this.#listed
    this.#listed = listed
    const synced = this.#synced || (listed && this.#held.size === 0)
    const newlySynced = synced && !this.#synced
    this.#synced = synced
    if (changes.length === 0 && !newlySynced) return undefined
    return { changes, revision: this.#revision, synced }
  }
}

/** The families of the ClusterIPs that publishing this change would show and that were not shown before. */
function familiesBrought(change: Change): readonly IpFamily[] {
  if (change.kind !== 'Service' || change.after === undefined) return []
  const shown = new Set(change.before === undefined ? [] : clusterIpsOf(change.before))
  const brought = clusterIpsOf(change.after).filter(ip => !shown.has(ip))
  return [...new Set(brought.map(familyOf))]
}

function clusterIpsOf({ type, clusterIP, clusterIPs }: Service): readonly IpAddress[] {
  if (type === 'ExternalName') return []
  return [clusterIP, ...clusterIPs].map(parseIpLenient).filter(ip => ip !== undefined)
}
