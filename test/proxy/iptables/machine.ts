import { Store } from '#cluster/store.ts'
import { IptablesError } from '#linux/iptables.ts'
import type { IpAddress } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import type { ServiceStates } from '../../../src/proxy/backend.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { IptablesBackend, type IptablesOptions } from '../../../src/proxy/iptables/backend.ts'
import { FakeIptables } from './fake-iptables.ts'

const place = { nodeName: 'node-1' }
export const noSignal = new AbortController().signal

/** A backend on tables in memory; IPv4, without detector, unless said otherwise. */
export const backendOn = (
  iptables: FakeIptables,
  options: Partial<IptablesOptions> = {},
): IptablesBackend =>
  new IptablesBackend({
    iptables,
    family: 4,
    detector: undefined,
    masqueradeAll: false,
    nodeIPs: ['192.0.2.1' as IpAddress],
    masqueradeBit: 14,
    dropsInvalid: true,
    hasLocalhostNodePorts: false,
    nodePortAddresses: () => 'all',
    metrics: { wrote: () => {}, restoreFailed: () => {}, countPackets: () => {} },
    clock: systemClock,
    watch: undefined,
    checkPeriodMs: 30_000,
    ...options,
  })

/** Store → tracker → backend, as the sync runner joins them. */
export class Machine {
  readonly store = new Store()
  readonly iptables = new FakeIptables()
  readonly #feed = this.store.feed(['Service', 'EndpointSlice'])
  readonly #tracker = new ChangeTracker(4, place)
  #backend = backendOn(this.iptables)
  #full = true

  /** Of all changes; so many tables can be written before one is refused. */
  async sync(failAfter = Number.POSITIVE_INFINITY): Promise<void> {
    const changed = new Set<string>()
    for (const change of this.#feed.take()?.changes ?? []) {
      for (const key of this.#tracker.apply(change)) changed.add(key)
    }
    this.iptables.failAfter = failAfter
    try {
      if (this.#full) await this.#backend.replace(this.#states(this.#tracker.services()), noSignal)
      else await this.#backend.update(this.#states(changed), noSignal)
      this.#full = false
    } catch (error) {
      if (!(error instanceof IptablesError)) throw error
      this.#full = true
    }
  }

  restart(): void {
    this.#backend = backendOn(this.iptables)
    this.#full = true
  }

  #states(services: Iterable<string>): ServiceStates {
    return Array.from(services, key => [key, this.#tracker.stateOf(key)] as const)
  }
}

/** The states as a tracker sees them that never saw anything else. */
export function statesOf(store: Store): ServiceStates {
  const tracker = new ChangeTracker(4, place)
  for (const change of store.feed(['Service', 'EndpointSlice']).take()?.changes ?? []) {
    tracker.apply(change)
  }
  return Array.from(tracker.services(), key => [key, tracker.stateOf(key)] as const)
}
