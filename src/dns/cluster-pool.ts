import type { Source, SourceOptions, Wanted } from '#cluster/source.ts'
import { Store, type StoreReader } from '#cluster/store.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { ClusterAccess, ClusterConnection } from './plugin.ts'

type PoolOptions = {
  /** Makes the source of a connection. @throws {ConfigError} the connection makes no sense. */
  readonly sourceOf: (connection: ClusterConnection, options: SourceOptions) => Promise<Source>
  readonly log: Logger
}

type Entry = { readonly store: Promise<Store>; readonly stop: AbortController; users: number }

/**
 * Stores of a server that is not part of an agent: one for all that ask for the same objects of the same cluster, kept over
 * reloads while someone uses it.
 */
export class ClusterPool implements ClusterAccess {
  readonly #options: PoolOptions
  readonly #entries = new Map<string, Entry>()

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Opens a store for as long as the process lives. Servers take a {@link lease}. */
  open(connection: ClusterConnection, wanted: Wanted): Promise<StoreReader> {
    return this.#entry(connection, wanted).store
  }

  lease(): ClusterAccess & Disposable {
    const leased = new Set<Entry>()
    return {
      open: (connection, wanted) => {
        const entry = this.#entry(connection, wanted)
        if (!leased.has(entry)) entry.users++
        leased.add(entry)
        return entry.store
      },
      [Symbol.dispose]: () => {
        for (const entry of leased) this.#release(entry)
        leased.clear()
      },
    }
  }

  #entry(connection: ClusterConnection, wanted: Wanted): Entry {
    const key = JSON.stringify([connection, wanted])
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      const stop = new AbortController()
      entry = { store: this.#connect(connection, wanted, stop.signal), stop, users: 0 }
      this.#entries.set(key, entry)
      // A connection that makes no sense is looked at again by the next reload.
      entry.store.catch(() => this.#entries.delete(key))
    }
    return entry
  }

  async #connect(
    connection: ClusterConnection,
    wanted: Wanted,
    signal: AbortSignal,
  ): Promise<Store> {
    const { sourceOf, log } = this.#options
    const source = await sourceOf(connection, { wanted, log })
    const store = new Store()
    source.run(store, signal).catch((error: unknown) => {
      if (!signal.aborted)
        log.error({ origin: source.origin, problem: describeError(error) }, 'source ended')
    })
    return store
  }

  #release(entry: Entry): void {
    if (--entry.users > 0) return
    entry.stop.abort()
    for (const [key, other] of this.#entries) if (other === entry) this.#entries.delete(key)
  }
}
