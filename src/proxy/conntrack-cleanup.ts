import { networkInterfaces } from 'node:os'
import { type IpAddress, type IpFamily, isLoopback, parseIp } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { ChangeTracker } from './change-tracker.ts'
import type { FamilyMetrics } from './metrics.ts'
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
}

/** After a clean-up that took a second the next one waits for nine: the table may be long and changes many. */
const REST_FACTOR = 9

/**
 * Deletes the conntrack entries of UDP flows whose endpoint serves no more. Rules see the first packet of a flow only,
 * and a UDP flow goes on as long as its client keeps its source port: without this it would feed the old endpoint for
 * ever. One clean-up at a time; changes that come meanwhile are one afterwards. A failed one is logged; what it left to
 * do at destinations that exist is done with the next.
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

  /** Cleans up whenever there is something to do, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    signal.addEventListener('abort', () => this.#due.resolve(), { once: true })
    while (!signal.aborted) {
      await this.#due.promise
      if (signal.aborted) return
      this.#due = Promise.withResolvers()
      const start = clock.monotonic()
      await this.#cleanUp(signal)
      const restMs = (clock.monotonic() - start) * REST_FACTOR
      await clock.sleep(restMs, signal).catch(() => {})
    }
  }

  async #cleanUp(signal: AbortSignal): Promise<void> {
    const { family, nodePortAddresses, open, metrics, log, clock } = this.#options
    const start = clock.monotonic()
    let deleted = 0
    try {
      using table = open()
      const isStale = this.#destinations.begin(nodePortPlaces(nodePortAddresses))
      // One after the other: each is an answer of the kernel, between which other work goes on.
      for (const entry of await table.listUdp(family, isStale)) {
        if (signal.aborted) break
        if (await table.delete(entry)) deleted++
      }
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'UDP conntrack clean-up failed')
    }
    const durationMs = clock.monotonic() - start
    metrics.cleanedUp({ durationMs, deleted })
    if (deleted > 0) log.debug({ durationMs, deleted }, 'deleted UDP conntrack entries')
  }
}

/** Does this address of the node, as it is now, answer for node ports? */
function nodePortPlaces(prefixes: readonly IpPrefix[]): (address: IpAddress) => boolean {
  const own = new Set<IpAddress>()
  for (const { address: text } of Object.values(networkInterfaces()).flatMap(list => list ?? [])) {
    const address = parseIp(text)
    if (address === undefined || isLoopback(address)) continue
    if (prefixes.length > 0 && !prefixes.some(prefix => prefixContains(prefix, address))) continue
    own.add(address)
  }
  return address => own.has(address)
}
