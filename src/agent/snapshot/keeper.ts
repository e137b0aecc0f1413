import type { Kind } from '#cluster/objects.ts'
import type { Selection, Wanted } from '#cluster/source.ts'
import type { Store } from '#cluster/store.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { SNAPSHOT_FORMAT, SNAPSHOT_VERSION, SnapshotError, type SnapshotHeader } from './format.ts'
import { createSnapshotMetrics, type SnapshotMetrics } from './metrics.ts'
import { openSnapshot, type ReadSnapshot } from './read.ts'
import { restore } from './restore.ts'
import type { SourceWitness } from './witness.ts'
import { writeSnapshot } from './write.ts'

export type SnapshotSettings = {
  readonly path: string
  /** An older one is not used, milliseconds. */
  readonly maxAgeMs: number
  /** How long the first lists are waited for, milliseconds. */
  readonly waitMs: number
  /** At most every so often it is written anew, milliseconds. */
  readonly intervalMs: number
  readonly maxOctets: number
}

export type SnapshotKeeperOptions = SnapshotSettings & {
  readonly nodeName: string
  readonly store: Store
  /** What the source has shown. */
  readonly witness: SourceWitness
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** What the source reads. */
export type SnapshotOf = { readonly origin: string; readonly wanted: Wanted }

/** How often it is looked whether the lists have come. */
const LOOK_MS = 100
/** A server that refuses connections is not waited for so long: it may be starting, and its first refusal may be its last. */
const WAIT_AFTER_FAILURE_MS = 1_000
/** Nothing changes in a quiet cluster, but that it was like this until now is worth a note so often. */
const CONFIRM_MS = 600_000
/** The last write, at the end of the process, gets this long. */
const LAST_WRITE_MS = 3_000

/** Keeps the last known good state of the cluster on disk, and starts from it when the cluster cannot be asked. */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions
  readonly #metrics: SnapshotMetrics
  /** The kinds that are from the snapshot, and its time; undefined: nothing is. */
  #restored: { readonly kinds: readonly Kind[]; readonly confirmedMs: number } | undefined
  #written: { readonly revision: number; readonly confirmedMs: number } | undefined
  #saidFailure = false

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options
    this.#metrics = createSnapshotMetrics(options.metrics, () => this.ageMs())
  }

  /** Is some of the store's state from a snapshot and not confirmed since? Once false it stays so after {@link run} has begun. */
  isStale(): boolean {
    const { witness } = this.#options
    return this.#restored?.kinds.some(kind => !witness.hasListed(kind)) ?? false
  }

  /** How old the state is, milliseconds; undefined: it is the cluster's. */
  ageMs(): number | undefined {
    if (this.#restored === undefined || !this.isStale()) return undefined
    return Math.max(0, this.#options.clock.now() - this.#restored.confirmedMs)
  }

  /**
   * Waits for the first lists, restores the snapshot if they do not come, and writes it anew as the cluster changes, until the
   * signal is aborted. Failure is logged once and never thrown. @param of called when it matters: kinds may join.
   */
  async run(of: () => SnapshotOf, signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options
    await this.#start(of, signal)
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined)
      const limit = signal.aborted ? AbortSignal.timeout(LAST_WRITE_MS) : signal
      if (this.#isDue(of())) await this.#write(of(), limit)
    }
  }

  async #start(of: () => SnapshotOf, signal: AbortSignal): Promise<void> {
    const { clock, witness, waitMs, log } = this.#options
    const beginMs = clock.monotonic()
    let limitMs = waitMs
    while (!signal.aborted && missing(of(), witness).length > 0) {
      const waitedMs = clock.monotonic() - beginMs
      if (witness.hasFailed) limitMs = Math.min(limitMs, waitedMs + WAIT_AFTER_FAILURE_MS)
      if (waitedMs >= limitMs) return this.#restore(of())
      await clock.sleep(LOOK_MS, signal).catch(() => undefined)
    }
    if (!signal.aborted) log.debug('all objects are listed: no snapshot is needed')
  }

  async #restore(of: SnapshotOf): Promise<void> {
    const { path, maxOctets, store, witness, clock, log } = this.#options
    try {
      await using snapshot = await openSnapshot(path, maxOctets)
      if (snapshot === undefined) {
        log.warn({ path }, 'no answer from the API server, and there is no snapshot to start from')
        return
      }
      const { confirmedMs, selections } = snapshot.header
      this.#check(snapshot, of)
      const usable = missing(of, witness).filter(
        kind => selections[kind] === selectionText(of.wanted[kind]),
      )
      const hasListed = (kind: Kind) => witness.hasListed(kind)
      const found = await restore(snapshot, { store, wanted: new Set(usable), hasListed })
      this.#restored = { kinds: found.kinds, confirmedMs }
      const ageSeconds = Math.round((clock.now() - confirmedMs) / 1000)
      log.warn(
        { ...found, ageSeconds, path },
        'no answer from the API server: serving what was known last',
      )
    } catch (error) {
      log.warn({ path, reason: describeError(error) }, 'the snapshot cannot be used')
    }
  }

  /** @throws {SnapshotError} it is of something else, or too old. */
  #check({ header: { origin, node, confirmedMs } }: ReadSnapshot, of: SnapshotOf): void {
    const { nodeName, maxAgeMs, clock } = this.#options
    if (origin !== of.origin) throw new SnapshotError(`it is of ${origin}, not of ${of.origin}`)
    if (node !== nodeName) throw new SnapshotError(`it is of node ${node}, not of ${nodeName}`)
    const ageMs = clock.now() - confirmedMs
    if (ageMs > maxAgeMs) {
      const hours = (ms: number) => `${(ms / 3_600_000).toFixed(1)} h`
      throw new SnapshotError(`it is ${hours(ageMs)} old, more than ${hours(maxAgeMs)}`)
    }
  }

  /** Only what the source has listed whole is worth keeping. */
  #isDue(of: SnapshotOf): boolean {
    const { store, witness } = this.#options
    const { heardMs } = witness
    if (heardMs === undefined || missing(of, witness).length > 0) return false
    if (this.#written === undefined || this.#written.revision !== store.revision) return true
    return heardMs - this.#written.confirmedMs >= CONFIRM_MS
  }

  async #write({ origin, wanted }: SnapshotOf, signal: AbortSignal): Promise<void> {
    const { store, witness, nodeName, path, maxOctets, clock, log } = this.#options
    const { revision } = store
    const confirmedMs = witness.heardMs ?? clock.now()
    const kinds = Object.keys(wanted) as readonly Kind[]
    const header: SnapshotHeader = {
      format: SNAPSHOT_FORMAT,
      version: SNAPSHOT_VERSION,
      origin,
      node: nodeName,
      confirmedMs,
      selections: Object.fromEntries(kinds.map(kind => [kind, selectionText(wanted[kind])])),
    }
    const beginMs = clock.monotonic()
    try {
      const octets = await writeSnapshot({ path, header, store, maxOctets }, signal)
      const durationMs = Math.round(clock.monotonic() - beginMs)
      this.#metrics.written(octets, clock.now())
      log.debug({ octets, durationMs }, 'snapshot written')
      this.#saidFailure = false
    } catch (error) {
      if (signal.aborted) return
      this.#metrics.failed()
      if (!this.#saidFailure) {
        log.warn({ path, reason: describeError(error) }, 'the snapshot cannot be written')
      }
      this.#saidFailure = true
    }
    // After a failure too: the next change tries again, not the next turn.
    this.#written = { revision, confirmedMs }
  }
}

const missing = ({ wanted }: SnapshotOf, witness: SourceWitness): readonly Kind[] =>
  (Object.keys(wanted) as readonly Kind[]).filter(kind => !witness.hasListed(kind))

/** Equal for equal selections. */
const selectionText = ({ labelSelector = '', fieldSelector = '' }: Selection = {}): string =>
  `${labelSelector}|${fieldSelector}`
