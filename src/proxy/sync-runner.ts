import type { Batch, Change, Feed } from '#cluster/store.ts'
import type { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend } from './backend.ts'
import type { ChangeTracker, ServicePortState } from './change-tracker.ts'
import type { FamilyMetrics } from './metrics.ts'
import { NoLocalEndpoints } from './no-local-endpoints.ts'

export type SyncRunnerOptions = {
  /** Of Services and EndpointSlices. */
  readonly feed: Feed
  readonly tracker: ChangeTracker
  readonly backend: Backend
  readonly metrics: FamilyMetrics
  readonly log: Logger
  readonly clock: Clock
  /** Waits between failed syncs. */
  readonly backoff: Backoff
  /** There are changes that the kernel lacks. */
  readonly onQueued: () => void
  readonly onLoss?: LossSink | undefined
  /**
   * The kernel has everything up to this revision of the store, which is what the tracker holds until what this returns
   * has settled. Since the last one these Services changed, at the first all; none where the revision had nothing for this
   * family.
   */
  readonly onProgrammed: (revision: number, changed: ReadonlySet<string>) => Promise<void> | void
}

/** So many Services that changed at once are a storm. A single change never waits. */
const STORM = 5
const REST_FACTOR = 2
const MAX_REST_MS = 50

/**
 * How long the next sync waits after one of so many Services, milliseconds: each transaction costs a few by itself, so in a
 * storm of changes fewer and larger ones leave two thirds of a core to others.
 */
const restAfter = (services: number, durationMs: number): number =>
  services < STORM ? 0 : Math.min(durationMs * REST_FACTOR, MAX_REST_MS)

/**
 * Brings one family's changes into the kernel until the signal is aborted. Changes are pulled: those that come while
 * the kernel works are one batch afterwards, and when nothing is under way a change is written at once (kube-proxy
 * waits up to minSyncPeriod). After a failure everything is compared, with growing waits.
 */
export class SyncRunner {
  readonly #options: SyncRunnerOptions
  readonly #startMs: number
  /** Services whose changes the kernel does not have yet. */
  readonly #changed = new Set<string>()
  /** Trigger times (milliseconds since the epoch) of slices the kernel does not have yet. */
  readonly #triggersMs: number[] = []
  #full = true
  /** The backend's options give other values than at the last sync. */
  #isOutdated = false
  #revision = 0
  /** Before the next sync. */
  #restMs = 0
  #noLocal = new NoLocalEndpoints()
  /** Are all lists complete? */
  #isSynced = false
  /** Aborted to end a wait for changes: somebody changed what is ours. */
  #alarm = new AbortController()
  /** To be called when all is there again. */
  #healed: (() => void)[] = []

  constructor(options: SyncRunnerOptions) {
    this.#options = options
    this.#startMs = options.clock.now()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { backend } = this.#options
    const end = new AbortController()
    const guard = backend.guard?.(
      reason => this.#lost(reason),
      AbortSignal.any([signal, end.signal]),
    )
    try {
      await this.#syncAll(signal)
    } finally {
      end.abort()
      await guard
    }
  }

  #lost(reason: string): void {
    this.#options.log.warn({ reason }, 'rules were changed by somebody else')
    const healed = this.#options.onLoss?.({ what: reason })
    if (healed !== undefined) this.#healed.push(healed)
    this.recompute()
  }

  /** Every Service may have another state than at the last sync, though its objects are the same. */
  recompute(): void {
    this.#full = true
    this.#ring()
  }

  /** The backend's options give other values; Services are as they were. */
  refresh(): void {
    this.#isOutdated = true
    this.#ring()
  }

  #ring(): void {
    const { metrics, clock } = this.#options
    metrics.queued(clock.now())
    this.#alarm.abort()
  }

  async #syncAll(signal: AbortSignal): Promise<void> {
    const { feed, metrics, clock, backoff, onQueued, onProgrammed } = this.#options
    metrics.queued(clock.now())
    try {
      for (;;) {
        const synced = await this.#takeNext(signal)
        if (synced === undefined) return
        // Rules from half a list would refuse connections that have endpoints.
        if (!synced) continue
        if (!this.#isSyncDue()) {
          await onProgrammed(this.#revision, this.#changed)
          continue
        }
        onQueued()
        while (!(await this.#sync(signal))) {
          await clock.sleep(backoff.next(), signal)
          const more = feed.take()
          if (more !== undefined) await this.#takeIn(more)
        }
        backoff.reset()
        if (this.#restMs > 0) await clock.sleep(this.#restMs, signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #isSyncDue(): boolean {
    return this.#full || this.#isOutdated || this.#changed.size > 0
  }

  /** A function of its own, for a suspended one holds its variables: a whole cluster at first. Undefined at the end. */
  async #takeNext(signal: AbortSignal): Promise<boolean | undefined> {
    const { feed } = this.#options
    try {
      const batch = await feed.next(AbortSignal.any([signal, this.#alarm.signal]))
      if (batch === undefined) return undefined
      await this.#takeIn(batch)
      this.#isSynced = batch.synced
      return batch.synced
    } catch (error) {
      if (signal.aborted || !this.#alarm.signal.aborted) throw error
      this.#alarm = new AbortController()
      return this.#isSynced
    }
  }

  async #takeIn({ changes, revision }: Batch): Promise<void> {
    const { tracker, metrics, clock } = this.#options
    const pace = new Pace()
    for (const change of changes) {
      await pace.breathe()
      const services = tracker.apply(change)
      // kube-proxy counts Services of both families in each, and slices of its own.
      if (change.kind === 'Service') metrics.seen(change.kind)
      if (services.length === 0) continue
      for (const service of services) this.#changed.add(service)
      if (change.kind === 'EndpointSlice') metrics.seen(change.kind)
      if (change.kind === 'Service' || change.kind === 'EndpointSlice') metrics.waits(change)
      this.#noteTrigger(change)
    }
    if (this.#changed.size > 0) metrics.queued(clock.now())
    this.#revision = revision
  }

  #noteTrigger(change: Change): void {
    if (change.kind !== 'EndpointSlice') return
    const triggerMs = change.after?.lastChangeTriggerTimeMs
    if (triggerMs === undefined || triggerMs === change.before?.lastChangeTriggerTimeMs) return
    if (triggerMs >= this.#startMs) this.#triggersMs.push(triggerMs)
  }

  /** One sync; false when it failed. */
  async #sync(signal: AbortSignal): Promise<boolean> {
    const { backend, tracker, metrics, log, clock } = this.#options
    const full = this.#full
    // What was lost until now is found by comparing everything; what is lost from now on rings again.
    if (full && this.#alarm.signal.aborted) this.#alarm = new AbortController()
    this.#isOutdated = false
    const services = full ? tracker.services() : this.#changed
    const start = clock.monotonic()
    try {
      const noLocal = full ? new NoLocalEndpoints() : this.#noLocal
      const states = statesOf(services, tracker, noLocal)
      if (full) await backend.replace(states, signal)
      else await backend.update(states, signal)
      this.#noLocal = noLocal
    } catch (error) {
      if (signal.aborted) throw error
      this.#full = true
      metrics.failed({ full, durationMs: clock.monotonic() - start })
      log.warn({ reason: describeError(error) }, 'sync failed')
      return false
    }
    const durationMs = clock.monotonic() - start
    const count = full ? undefined : this.#changed.size
    log[full ? 'info' : 'debug']({ durationMs, services: count }, full ? 'programmed' : 'synced')
    this.#restMs = full ? 0 : restAfter(this.#changed.size, durationMs)
    await this.#succeeded({ full, durationMs })
    return true
  }

  async #succeeded({ full, durationMs }: { full: boolean; durationMs: number }): Promise<void> {
    const { metrics, clock, onProgrammed } = this.#options
    const atMs = clock.now()
    metrics.synced({ full, durationMs, atMs })
    metrics.withoutLocal(this.#noLocal.total())
    for (const triggerMs of this.#triggersMs) metrics.programmed(Math.max(0, atMs - triggerMs))
    this.#triggersMs.length = 0
    // What was lost while this was written may be among what it found right.
    this.#full = this.#alarm.signal.aborted
    if (full && !this.#full) for (const healed of this.#healed.splice(0)) healed()
    await onProgrammed(this.#revision, this.#changed)
    this.#changed.clear()
  }
}

function* statesOf(
  services: Iterable<string>,
  tracker: ChangeTracker,
  noLocal: NoLocalEndpoints,
): Generator<readonly [string, readonly ServicePortState[]]> {
  for (const key of services) {
    const state = tracker.stateOf(key)
    noLocal.note(key, state)
    yield [key, state]
  }
}
