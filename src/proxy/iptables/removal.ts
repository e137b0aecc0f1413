import type { ProxyMode } from '../settings.ts'
import { sharedChains, sharedTargets } from '../shared-chains.ts'
import { chainsLedTo, isAmong, planChainRemoval, type Removal } from './chain-removal.ts'
import {
  fixedChains,
  GUARD_CHAIN,
  guardRules,
  jumpRules,
  type SharedRule,
  tables,
} from './fixed.ts'
import { isPortChain } from './names.ts'
import { targetOf } from './rule.ts'
import type { Saved } from './saved.ts'

const fixed = new Set(fixedChains)

/** Is this chain made by this backend, or by kube-proxy in mode iptables? KUBE-FIREWALL is the kubelet's as well. */
export function isOwnChain(chain: string): boolean {
  const [table, name = ''] = chain.split(' ')
  return fixed.has(chain) || (table === 'nat' && isPortChain(name))
}

/** The chains, `table chain`, that rules lead to which are not ours. */
export const chainsUsedByOthers = ({ shared }: Saved): ReadonlySet<string> =>
  chainsLedTo(shared, [...jumpRules, ...guardRules])

/**
 * Removes our chains and what leads to them; chains that others lead to are only emptied. What mode ipvs has in common
 * with this one stays when it is `inUse`. Empty text: nothing is there.
 */
export function planRemoval(saved: Saved, inUse?: ProxyMode): Removal {
  const removesGuard = isGuardOurs(saved)
  const isUnwanted = (key: string) =>
    (isOwnChain(key) && !(inUse === 'ipvs' && sharedChains.has(key))) ||
    (removesGuard && key === GUARD)
  const jumps = [
    ...jumpRules.filter(jump => !(inUse === 'ipvs' && leadsToShared(jump))),
    ...(removesGuard ? guardRules.filter(({ chain }) => chain !== GUARD_CHAIN) : []),
  ]
  return planChainRemoval(saved, { tables, isUnwanted, jumps, used: chainsUsedByOthers(saved) })
}

const GUARD = `filter ${GUARD_CHAIN}`

/** Chains by which a kubelet is known; it keeps the guard chain for itself. */
const KUBELET_CHAINS = ['mangle KUBE-KUBELET-CANARY', 'mangle KUBE-IPTABLES-HINT']

/** Was the guard chain made by a proxy, and holds nothing else than the guard? */
function isGuardOurs({ chains, shared }: Saved): boolean {
  if (!chains.has(GUARD) || KUBELET_CHAINS.some(key => chains.has(key))) return false
  return (shared.get(GUARD) ?? []).every(rule => isAmong(guardRules, GUARD, rule))
}

const leadsToShared = ({ table, rule }: SharedRule): boolean =>
  sharedTargets.has(`${table} ${targetOf(rule)}`)
