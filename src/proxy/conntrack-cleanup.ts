import { type IpFamily, isLoopback } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { ChangeTracker } from './change-tracker.ts'
import type { FamilyMetrics } from './metrics.ts'
import { selectedAddresses } from './node-port-addresses.ts'
import { type Flow, UdpDestinations } from './udp-destinations.ts'

/** The kernel's table of flows; `Key` names an entry. */
export interface FlowTable<Key> extends Disposable {
  listUdp(family: IpFamily, isWanted: (flow: Flow) => boolean): Promise<readonly Key[]>
  /** False when it is gone already. */
  delete(entry: Key): Promise<boolean>
}

export type ConntrackCleanupOptions<Key> = {
  readonly family: IpFamily
  readonly tracker: Pick<ChangeTracker, 'endpointsOf'>
  /** Addresses of this node in these prefixes answer for node ports; without any prefix all but loopback. */
  readonly nodePortAddresses: readonly IpPrefix[]
  readonly open: () => FlowTable<Key>
  readonly metrics: Pick<FamilyMetrics, 'cleanedUp'>
  readonly log: Logger
  readonly clock: Clock
  /** Waits after failed clean-ups. */
  readonly backoff: Backoff
}

/** After a clean-up that took a second the next one waits for nine: the table may be long and changes many. */
const REST_FACTOR = 9

/**
 * Deletes the conntrack entries of UDP flows whose endpoint serves no more. Rules see the first packet of a flow only,
 * and a UDP flow goes on as long as its client keeps its source port: without this it would feed the old endpoint for
 * ever. One clean-up at a time; changes that come meanwhile are one afterwards. A failed one is logged and tried again.
 */
export class ConntrackCleanup<Key> {
  readonly #options: ConntrackCleanupOptions<Key>
  readonly #destinations = new UdpDestinations()
  #due = Promise.withResolvers<void>()

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
    this.#due.resolve()
  }

  /** Cleans up whenever there is something to do, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, backoff } = this.#options
    signal.addEventListener('abort', () => this.#due.resolve(), { once: true })
    while (!signal.aborted) {
      await this.#due.promise
      if (signal.aborted) return
      this.#due = Promise.withResolvers()
      const start = clock.monotonic()
      const isDone = await this.#cleanUp(signal)
      if (isDone) backoff.reset()
      else this.#due.resolve()
      const restMs = (clock.monotonic() - start) * REST_FACTOR + (isDone ? 0 : backoff.next())
      await clock.sleep(restMs, signal).catch(() => {})
    }
  }

  /** False when it failed. */
  async #cleanUp(signal: AbortSignal): Promise<boolean> {
    const { family, nodePortAddresses, open, metrics, log, clock } = this.#options
    const start = clock.monotonic()
    const own = selectedAddresses(nodePortAddresses, family)
    const cleanUp = this.#destinations.begin(ip => own.has(ip) && !isLoopback(ip))
    let deleted = 0
    let isDone = true
    try {
      using table = open()
      // One after the other: each is an answer of the kernel, between which other work goes on.
      for (const entry of await table.listUdp(family, cleanUp.isStale)) {
        if (signal.aborted) break
        if (await table.delete(entry)) deleted++
      }
    } catch (error) {
      isDone = false
      cleanUp.failed()
      log.warn({ reason: describeError(error) }, 'UDP conntrack clean-up failed')
    }
    const durationMs = clock.monotonic() - start
    metrics.cleanedUp({ durationMs, deleted })
    if (deleted > 0) log.debug({ durationMs, deleted }, 'deleted UDP conntrack entries')
    return isDone
  }
}
