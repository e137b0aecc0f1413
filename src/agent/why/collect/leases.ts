import { readLeaseStores } from '#cni/host-local/lease-stores.ts'
import { describeError } from '#runtime/error.ts'
import type { LeaseFacts } from '../facts.ts'
import { namespaceOf, type Surroundings } from './surroundings.ts'

/** The ranges that host-local hands out of on this node, by its configurations, and who holds their addresses. */
export function leaseFacts(surroundings: Surroundings): readonly LeaseFacts[] {
  const { cniConfDir, log } = surroundings
  const stores = readLeaseStores(cniConfDir, (file, error) =>
    log.warn({ file, reason: describeError(error) }, 'network configuration not understood'),
  )
  return stores.flatMap(({ network, folder, ranges }) =>
    ranges.map(({ range, size, leased }) => ({
      network,
      folder,
      range,
      size,
      leased: leased.length,
      leaked: leased.filter(ip => namespaceOf(surroundings, ip) === undefined),
    })),
  )
}
