import { Store } from '#cluster/store.ts'
import { NftError, wholeText } from '#linux/nft.ts'
import type { IpAddress } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import type { ServiceStates } from '../../../src/proxy/backend.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import type { TableWatch } from '../../../src/proxy/foreign-changes.ts'
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts'
import { FakeKernel } from './fake-kernel.ts'

const table = { family: 4, name: 'np' } as const
const place = { nodeName: 'node-1' }
export const noSignal = new AbortController().signal

/** Others never change anything. */
export const nobodyElse: TableWatch = {
  next: () => new Promise(() => {}),
  [Symbol.dispose]: () => {},
}

/** A backend on a fake kernel whose n-th write from now fails when `failAfter` is n, and each listing on demand. */
export function backendOn(kernel: FakeKernel, watch = nobodyElse) {
  const faults = { failAfter: Number.POSITIVE_INFINITY, failListing: false }
  const backend = new NftablesBackend({
    table,
    detector: undefined,
    masqueradeAll: false,
    nodePortAddresses: [],
    localhostNodePorts: false,
    dropInvalid: true,
    serviceCIDRs: () => [],
    node: { nodeName: place.nodeName, nodeIPs: ['192.0.2.1' as IpAddress] },
    list: async () => {
      if (faults.failListing) throw new NftError('injected', undefined)
      return kernel.list('ip np')
    },
    listMap: async (_, map) => kernel.list('ip np')?.elements.get(map) ?? new Map<string, string>(),
    writer: {
      apply: async text => {
        if (faults.failAfter-- <= 0) throw new NftError('injected', undefined)
        kernel.apply(wholeText(text))
      },
      [Symbol.dispose]: () => {},
    },
    listCounters: async () => new Map(),
    watch,
    clock: systemClock,
  })
  return { backend, faults }
}

/** Store → tracker → backend, as the sync runner joins them. */
export class Machine {
  readonly store = new Store()
  readonly kernel = new FakeKernel()
  readonly #feed = this.store.feed(['Service', 'EndpointSlice'])
  readonly #tracker = new ChangeTracker(4, place)
  #run = backendOn(this.kernel)
  #full = true

  states(services: Iterable<string> = this.#tracker.services()): ServiceStates {
    return new Map([...services].map(key => [key, this.#tracker.stateOf(key)]))
  }

  async sync(failAfter = Number.POSITIVE_INFINITY): Promise<void> {
    const changed = new Set<string>()
    for (const change of this.#feed.take()?.changes ?? []) {
      for (const key of this.#tracker.apply(change)) changed.add(key)
    }
    this.#run.faults.failAfter = failAfter
    const { backend } = this.#run
    try {
      if (this.#full) await backend.replace(this.states(), noSignal)
      else await backend.update(this.states(changed), noSignal)
      this.#full = false
    } catch (error) {
      if (!(error instanceof NftError)) throw error
      this.#full = true
    }
  }

  restart(): void {
    this.#run = backendOn(this.kernel)
    this.#full = true
  }
}

/** The states as a tracker sees them that never saw anything else. */
export function statesOf(store: Store): ServiceStates {
  const tracker = new ChangeTracker(4, place)
  for (const change of store.feed(['Service', 'EndpointSlice']).take()?.changes ?? []) {
    tracker.apply(change)
  }
  return new Map([...tracker.services()].map(key => [key, tracker.stateOf(key)]))
}
