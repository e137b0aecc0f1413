import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Batch, Feed, StoreReader } from '#cluster/store.ts'
import type { Clock } from '#runtime/clock.ts'
import { isAbort } from '#runtime/error.ts'
import { Era } from '../../era.ts'
import { Watches } from '../../watches.ts'
import { ZoneIndex } from '../../zone/zone-index.ts'
import { sourcesTouchedBy, touchesSomething } from './answer-sources.ts'
import type { KubernetesOptions } from './options.ts'
import { kindsOf } from './wanted.ts'

/** A whole cluster comes as one batch: queries are answered in between. So many changes take about 2 ms. */
const CHANGES_PER_TURN = 500

/** Keeps the indexes of zones like the store for as long as it runs. */
export class ClusterNames {
  readonly index: ZoneIndex
  /** What the cluster imports from others; undefined without zones for it. */
  readonly imports: ZoneIndex | undefined
  /** Who wants to hear when answers made from the index are not right any more. */
  readonly answers = new Watches()
  /** Ends with every change: for answers that depend on too much. */
  readonly era = new Era()
  readonly #feed: Feed
  readonly #clock: Clock
  readonly #onChange: (batch: Batch, nowMs: number) => void
  readonly #stop = new AbortController()
  readonly #firstSync = Promise.withResolvers<void>()
  readonly #ended: Promise<void>
  #synced = false

  /** Starts at once. @param onChange is told of every batch after the first sync, when the index has it. */
  constructor({
    store,
    options,
    clock,
    onChange,
  }: {
    readonly store: StoreReader
    readonly options: KubernetesOptions
    readonly clock: Clock
    readonly onChange: (batch: Batch, nowMs: number) => void
  }) {
    const podNames = options.endpointPodNames
    this.index = new ZoneIndex({ podNames })
    if (options.multicluster.length > 0)
      this.imports = new ZoneIndex({ podNames, of: 'clusterset' })
    this.#clock = clock
    this.#onChange = onChange
    this.#feed = store.feed(kindsOf(options))
    this.#ended = this.#run(this.#stop.signal)
  }

  /** Has everything been listed once? Until then nothing may be denied. Never becomes false again. */
  get synced(): boolean {
    return this.#synced
  }

  /** Resolves when {@link synced} becomes true. */
  get firstSync(): Promise<void> {
    return this.#firstSync.promise
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
    this.#feed[Symbol.dispose]()
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      while (await this.#takeNext(signal));
    } catch (error) {
      if (!isAbort(error)) throw error
    }
  }

  /** A function of its own, for a suspended one holds its variables: a whole cluster at first. False at the end. */
  async #takeNext(signal: AbortSignal): Promise<boolean> {
    const batch = await this.#feed.next(signal)
    if (batch !== undefined) await this.#take(batch)
    return batch !== undefined
  }

  async #take(batch: Batch): Promise<void> {
    const nowMs = this.#clock.now()
    for (const [at, change] of batch.changes.entries()) {
      if (at > 0 && at % CHANGES_PER_TURN === 0) await nextTurn()
      this.index.apply(change, nowMs)
      this.imports?.apply(change, nowMs)
      for (const source of sourcesTouchedBy(change)) this.answers.touch(source)
      if (touchesSomething(change)) this.era.next()
    }
    if (this.#synced) this.#onChange(batch, nowMs)
    else if (batch.synced) {
      this.#synced = true
      this.#firstSync.resolve()
    }
  }
}
