import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { Source, SourceOptions, Wanted } from './source.ts'
import type { StoreWriter } from './store.ts'

type PoolOptions<Connection, Target> = {
  /** Makes the source of a connection. @throws {ConfigError} the connection makes no sense. */
  readonly sourceOf: (connection: Connection, options: SourceOptions) => Promise<Source>
  /** Makes what a source shall fill. */
  readonly targetOf: () => Target
  readonly log: Logger
  /** Ends all sources; absent: they end with the process. */
  readonly signal?: AbortSignal | undefined
}

type Entry<Target> = {
  readonly target: Promise<Target>
  readonly stop: AbortController
  users: number
}

/**
 * What sources fill, one for all that ask for the same objects of the same cluster, kept while someone uses it.
 * @typeParam Connection plain data: equal ones are the same.
 */
export class SourcePool<Connection, Target extends StoreWriter> {
  readonly #options: PoolOptions<Connection, Target>
  readonly #entries = new Map<string, Entry<Target>>()

  constructor(options: PoolOptions<Connection, Target>) {
    this.#options = options
  }

  /** Opens one for as long as the process lives. @throws {ConfigError} the connection makes no sense. */
  open(connection: Connection, wanted: Wanted): Promise<Target> {
    return this.#entry(connection, wanted).target
  }

  /** What is opened through it is given back when it is disposed. */
  lease(): Pick<SourcePool<Connection, Target>, 'open'> & Disposable {
    const leased = new Set<Entry<Target>>()
    return {
      open: (connection, wanted) => {
        const entry = this.#entry(connection, wanted)
        if (!leased.has(entry)) entry.users++
        leased.add(entry)
        return entry.target
      },
      [Symbol.dispose]: () => {
        for (const entry of leased) this.#release(entry)
        leased.clear()
      },
    }
  }

  #entry(connection: Connection, wanted: Wanted): Entry<Target> {
    const key = JSON.stringify([connection, wanted])
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      const stop = new AbortController()
      entry = { target: this.#connect(connection, wanted, stop.signal), stop, users: 0 }
      this.#entries.set(key, entry)
      // A connection that makes no sense is looked at again by the next reload.
      entry.target.catch(() => this.#entries.delete(key))
    }
    return entry
  }

  async #connect(connection: Connection, wanted: Wanted, stop: AbortSignal): Promise<Target> {
    const { sourceOf, targetOf, log, signal: end } = this.#options
    const source = await sourceOf(connection, { wanted, log })
    const target = targetOf()
    const signal = end === undefined ? stop : AbortSignal.any([stop, end])
    source.run(target, signal).catch((error: unknown) => {
      if (!signal.aborted)
        log.error({ origin: source.origin, problem: describeError(error) }, 'source ended')
    })
    return target
  }

  #release(entry: Entry<Target>): void {
    if (--entry.users > 0) return
    entry.stop.abort()
    for (const [key, other] of this.#entries) if (other === entry) this.#entries.delete(key)
  }
}
