import { fixedChains, jumpRules, type Table, tables } from './fixed.ts'
import { isPortChain } from './names.ts'
import { isSameRule, targetOf } from './rule.ts'
import type { Saved } from './saved.ts'

/** Input of `iptables-restore --noflush` that removes what is ours, and what stays since others use it. */
export type Removal = { readonly text: string; readonly inUse: readonly string[] }

const fixed = new Set(fixedChains)

/** Is this chain made by this backend, or by kube-proxy in mode iptables? KUBE-FIREWALL is the kubelet's as well. */
export function isOwnChain(chain: string): boolean {
  const [table, name = ''] = chain.split(' ')
  return fixed.has(chain) || (table === 'nat' && isPortChain(name))
}

/** Removes our chains and what leads to them; chains that others lead to are only emptied. Empty text: nothing is there. */
export function planRemoval(saved: Saved): Removal {
  const plans = tables.map(table => removalIn(table, saved))
  return {
    text: plans.map(({ text }) => text).join(''),
    inUse: plans.flatMap(({ inUse }) => inUse),
  }
}

function removalIn(table: Table, { chains, shared }: Saved): Removal {
  const jumps: string[] = []
  const used = new Set<string>()
  for (const [key, rules] of shared) {
    const [home, chain = ''] = key.split(' ')
    if (home !== table) continue
    for (const text of rules) {
      if (isOurJump({ table, chain, text })) jumps.push(`-D ${chain} ${text}\n`)
      else used.add(`${table} ${targetOf(text)}`)
    }
  }
  const own = [...chains.keys()].filter(key => key.startsWith(`${table} `) && isOwnChain(key))
  if (own.length + jumps.length === 0) return { text: '', inUse: [] }
  const declared = own.map(key => `:${nameOf(key)} - [0:0]\n`)
  const removed = own.filter(key => !used.has(key)).map(key => `-X ${nameOf(key)}\n`)
  return {
    text: [`*${table}\n`, ...declared, ...jumps, ...removed, 'COMMIT\n'].join(''),
    inUse: own.filter(key => used.has(key)),
  }
}

const isOurJump = (place: { table: Table; chain: string; text: string }): boolean =>
  jumpRules.some(
    ({ table, chain, rule }) =>
      table === place.table && chain === place.chain && isSameRule(rule, place.text),
  )

const nameOf = (chain: string): string => chain.slice(chain.indexOf(' ') + 1)
