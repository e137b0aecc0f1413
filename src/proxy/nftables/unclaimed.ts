import type { IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { prefixTexts } from './prefixes.ts'
import type { PortRules } from './route.ts'
import { nftFamily } from './table.ts'

/** What no Service can be called: keys of Services are `namespace/name`. */
const OWNER = 'service CIDRs'

/**
 * The ranges that cluster IPs are given out of, as something that the plan can place beside the Services. One that holds
 * every address is left out: a mistake there must not cut off the node.
 */
export function unclaimedRules(
  serviceCIDRs: readonly IpPrefix[],
): readonly [string, readonly PortRules[]] {
  const keys = prefixTexts(serviceCIDRs.filter(({ length }) => length > 0))
  if (keys.length === 0) return [OWNER, []]
  const members = keys.map(key => ({ container: 'service-cidrs', key }) as const)
  return [OWNER, [{ key: OWNER, routes: [], destinations: [], members }]]
}

/**
 * For the hooks forward and output: what is still for such a range after the DNAT is for no Service's address, and would
 * only leave the node by its default route (kube-proxy's `cluster-ips-check`).
 */
export const unclaimedRule = (family: IpFamily): string =>
  `ct state new ${nftFamily(family)} daddr @service-cidrs drop`
