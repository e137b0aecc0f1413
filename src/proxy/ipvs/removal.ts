import { chainsLedTo, planChainRemoval, type Removal } from '../iptables/chain-removal.ts'
import { jumpRules as iptablesJumps, type SharedRule } from '../iptables/fixed.ts'
import { isOwnChain as isOfIptablesMode } from '../iptables/removal.ts'
import type { Saved } from '../iptables/saved.ts'
import type { ProxyMode } from '../settings.ts'
import { isSharedJump, type Jump, jumpRule, jumps, ownChains, tables } from './iptables-render.ts'

/**
 * Removes this mode's chains and what leads to them; chains that others lead to are only emptied. What mode iptables has
 * under the same names stays when that mode is in use, and what only it leads to is left to its own clean-up. Empty text:
 * nothing is there.
 * @param saved with the rules of all chains.
 */
export function planRemoval(saved: Saved, inUse?: ProxyMode): Removal {
  const isShared = inUse === 'iptables' || hasIptablesMode(saved)
  const own = new Set(
    tables.flatMap(table => ownChains(table, isShared).map(chain => `${table} ${chain}`)),
  )
  const all = jumps.map(asRule)
  const others = [...saved.shared].filter(([key]) => !own.has(key))
  const removal = planChainRemoval(saved, {
    tables,
    isUnwanted: key => own.has(key),
    jumps: jumps.filter(jump => !(isShared && isSharedJump(jump))).map(asRule),
    used: chainsLedTo(others, all),
  })
  const foreign = chainsLedTo(
    others.filter(([key]) => !isOfIptablesMode(key)),
    [...all, ...iptablesJumps],
  )
  return { ...removal, inUse: removal.inUse.filter(key => foreign.has(key)) }
}

/** Mode iptables leads to its node ports from here; this mode has no such chain. */
const hasIptablesMode = ({ shared }: Saved): boolean =>
  shared.get('nat KUBE-SERVICES')?.some(rule => rule.endsWith('-j KUBE-NODEPORTS')) === true

const asRule = (jump: Jump): SharedRule => ({
  table: jump.table,
  chain: jump.from,
  rule: jumpRule(jump).slice(`${jump.from} `.length),
})
