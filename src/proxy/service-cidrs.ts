import type { StoreReader } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import { type IpPrefix, parsePrefixUnmapped } from '#net/prefix.ts'

/** All ranges of the store's ServiceCIDRs; what is no prefix is passed over. Two objects may name the same range. */
export const serviceCIDRsIn = (store: StoreReader): readonly IpPrefix[] =>
  Array.from(store.list('ServiceCIDR'))
    .flatMap(({ cidrs }) => cidrs.map(parsePrefixUnmapped))
    .filter(prefix => prefix !== undefined)

/**
 * The ranges that cluster IPs are given out of, as the cluster says now. Nothing waits for them: an API server may not know
 * the kind, and without it only what no Service claims is treated otherwise (kube-proxy does not wait either).
 */
export class ServiceCIDRs {
  readonly #store: StoreReader
  readonly #onChange: (() => void)[] = []

  constructor(store: StoreReader) {
    this.#store = store
  }

  of(family: IpFamily): readonly IpPrefix[] {
    return serviceCIDRsIn(this.#store).filter(prefix => prefix.family === family)
  }

  /** `listener` is called whenever they may be others. */
  onChange(listener: () => void): void {
    this.#onChange.push(listener)
  }

  /** Follows the store until the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    using feed = this.#store.feed(['ServiceCIDR'])
    for (;;) {
      const batch = await feed.next(signal).catch(() => undefined)
      if (batch === undefined) return
      if (batch.changes.length > 0) for (const listener of this.#onChange) listener()
    }
  }
}
