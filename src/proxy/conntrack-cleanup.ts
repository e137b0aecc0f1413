import { type IpFamily, isLoopback } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { ChangeTracker } from './change-tracker.ts'
import type { FamilyMetrics } from './metrics.ts'
import { selectedAddresses } from './node-port-addresses.ts'
import {
  type CleanUp,
  type Destination,
  type Flow,
  type FlowPath,
  type NodePortPlaces,
  UdpDestinations,
} from './udp-destinations.ts'

/** The kernel's table of flows; `Key` names an entry. */
export interface FlowTable<Key> extends Disposable {
  /** The UDP flows that are wanted, of all or of those to one destination. */
  listUdp(
    query: { readonly family: IpFamily; readonly destination?: Destination },
    isWanted: (flow: Flow) => boolean,
  ): Promise<readonly Key[]>
  /** Gives how many of them were still there. */
  deleteAll(entries: readonly Key[], signal: AbortSignal): Promise<number>
  /**
   * Deletes the UDP flows of these paths without listing any, which is much less work for the kernel; gives how many,
   * or undefined when the kernel cannot.
   */
  deletePaths(
    family: IpFamily,
    paths: readonly FlowPath[],
    signal: AbortSignal,
  ): Promise<number | undefined>
}

export type ConntrackCleanupOptions<Key> = {
  readonly family: IpFamily
  readonly tracker: Pick<ChangeTracker, 'endpointsOf'>
  /** Addresses of this node in these prefixes answer for node ports, without any prefix all; loopback ones never by this. */
  readonly nodePortAddresses: readonly IpPrefix[]
  /** All loopback addresses answer for node ports. */
  readonly hasLocalhostNodePorts: boolean
  readonly open: () => FlowTable<Key>
  readonly metrics: Pick<FamilyMetrics, 'cleanedUp'>
  readonly log: Logger
  readonly clock: Clock
  /** Waits after failed clean-ups. */
  readonly backoff: Backoff
}

/** So many destinations are asked for one by one, which spares going through the flows of all others. */
const MAX_QUERIES = 8
/** With 262,144 buckets the kernel takes 2 to 3 ms for each, and 15 for a list. */
const MAX_PATHS = 8

/**
 * After a clean-up that took 10 ms the next one waits for 90: the table may be long and changes many. But no client is
 * to feed a dead endpoint for long, so the wait has an end, an early one where little was asked.
 */
const REST_FACTOR = 9
const MAX_REST_MS = { few: 100, many: 1000 } as const

/**
 * Deletes the conntrack entries of UDP flows whose endpoint serves no more. Rules see the first packet of a flow only,
 * and a UDP flow goes on as long as its client keeps its source port: without this it would feed the old endpoint for
 * ever. One clean-up at a time; changes that come meanwhile are one afterwards. A failed one is logged and tried again.
 */
export class ConntrackCleanup<Key> {
  readonly #options: ConntrackCleanupOptions<Key>
  readonly #destinations = new UdpDestinations()
  #due = Promise.withResolvers<void>()
  /** Flows to any destination may be stale, not only to those that have changed. */
  #isAllSuspect = false
  /**
   * Stays open: the kernel has whoever closes a netfilter socket wait until what nftables transactions took out is freed
   * (nft_rcv_nl_event), 20 to 30 ms after each change, and other transactions with it.
   */
  #table: FlowTable<Key> | undefined

  constructor(options: ConntrackCleanupOptions<Key>) {
    this.#options = options
  }

  /** The rules are as the tracker is now, and these Services have changed. Only notes what is to be done. */
  note(changed: Iterable<string>): void {
    for (const service of changed) {
      const ports = this.#options.tracker.endpointsOf(service, 'UDP')
      if (this.#destinations.update(service, ports)) this.#due.resolve()
    }
  }

  /** The rules were gone for a while and are back: flows that began meanwhile were not translated, and would never be. */
  noteRepair(): void {
    this.#isAllSuspect = true
    this.#due.resolve()
  }

  /** Cleans up whenever there is something to do, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, backoff } = this.#options
    using _ = { [Symbol.dispose]: () => this.#close() }
    signal.addEventListener('abort', () => this.#due.resolve(), { once: true })
    while (!signal.aborted) {
      await this.#due.promise
      if (signal.aborted) return
      this.#due = Promise.withResolvers()
      const start = clock.monotonic()
      const { isDone, isSmall } = await this.#cleanUp(signal)
      if (isDone) backoff.reset()
      else this.#due.resolve()
      const longestMs = MAX_REST_MS[isSmall ? 'few' : 'many']
      const restMs = Math.min((clock.monotonic() - start) * REST_FACTOR, longestMs)
      await clock.sleep(restMs + (isDone ? 0 : backoff.next()), signal).catch(() => {})
    }
  }

  #close(): void {
    this.#table?.[Symbol.dispose]()
    this.#table = undefined
  }

  async #cleanUp(signal: AbortSignal): Promise<{ isDone: boolean; isSmall: boolean }> {
    const { open, metrics, log, clock } = this.#options
    const start = clock.monotonic()
    const isAllSuspect = this.#isAllSuspect
    this.#isAllSuspect = false
    let cleanUp: CleanUp | undefined
    let queries = EVERYTHING
    let deleted = 0
    let isDone = true
    try {
      cleanUp = this.#destinations.begin(this.#nodePortPlaces())
      if (!isAllSuspect) queries = queriesOf(cleanUp)
      this.#table ??= open()
      const paths = isAllSuspect ? undefined : cleanUp.stalePaths
      const byPaths = await this.#deletePaths(this.#table, paths, signal)
      if (byPaths !== undefined) deleted = byPaths
      else deleted = await this.#deleteListed(this.#table, queries, cleanUp, signal)
    } catch (error) {
      isDone = false
      this.#close()
      cleanUp?.failed()
      this.#isAllSuspect ||= isAllSuspect
      log.warn({ reason: describeError(error) }, 'UDP conntrack clean-up failed')
    }
    const durationMs = clock.monotonic() - start
    metrics.cleanedUp({ durationMs, deleted })
    if (deleted > 0) log.debug({ durationMs, deleted }, 'deleted UDP conntrack entries')
    return { isDone, isSmall: queries !== EVERYTHING }
  }

  #nodePortPlaces(): NodePortPlaces {
    const { family, nodePortAddresses, hasLocalhostNodePorts } = this.#options
    const own = [...selectedAddresses(nodePortAddresses, family)].filter(ip => !isLoopback(ip))
    return { addresses: new Set(own), hasLoopback: hasLocalhostNodePorts }
  }

  /** Undefined when flows have to be listed. */
  async #deletePaths(
    table: FlowTable<Key>,
    paths: readonly FlowPath[] | undefined,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    if (paths === undefined || paths.length > MAX_PATHS) return undefined
    if (paths.length === 0) return 0
    return await table.deletePaths(this.#options.family, paths, signal)
  }

  async #deleteListed(
    table: FlowTable<Key>,
    queries: readonly Query[],
    { isStale }: CleanUp,
    signal: AbortSignal,
  ): Promise<number> {
    let deleted = 0
    for (const query of queries) {
      if (signal.aborted) break
      const stale = await table.listUdp({ family: this.#options.family, ...query }, isStale)
      deleted += await table.deleteAll(stale, signal)
    }
    return deleted
  }
}

type Query = { readonly destination?: Destination }
const EVERYTHING: readonly Query[] = [{}]

const queriesOf = ({ destinations }: CleanUp): readonly Query[] =>
  destinations.length > MAX_QUERIES
    ? EVERYTHING
    : destinations.map(destination => ({ destination }))
