import type { ProxyMode } from '../settings.ts'
import { sharedChains, sharedTargets } from '../shared-chains.ts'
import {
  fixedChains,
  GUARD_CHAIN,
  guardRules,
  jumpRules,
  type SharedRule,
  tables,
} from './fixed.ts'
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

/** The chains, `table chain`, that rules lead to which are not ours. */
export function chainsUsedByOthers({ shared }: Saved): ReadonlySet<string> {
  const known = [...jumpRules, ...guardRules]
  const used = new Set<string>()
  for (const [key, rules] of shared) {
    for (const rule of rules) {
      const target = targetOf(rule)
      if (target !== undefined && !isAmong(known, key, rule)) used.add(`${tableOf(key)} ${target}`)
    }
  }
  return used
}

/**
 * Removes our chains and what leads to them; chains that others lead to are only emptied. What mode ipvs has in common
 * with this one stays when it is `inUse`. Empty text: nothing is there.
 */
export function planRemoval(saved: Saved, inUse?: ProxyMode): Removal {
  const used = chainsUsedByOthers(saved)
  const removesGuard = isGuardOurs(saved)
  const isUnwanted = (key: string) =>
    (isOwnChain(key) && !(inUse === 'ipvs' && sharedChains.has(key))) ||
    (removesGuard && key === GUARD)
  const own = [...saved.chains.keys()].filter(isUnwanted)
  const unwanted = [
    ...jumpRules.filter(jump => !(inUse === 'ipvs' && leadsToShared(jump))),
    ...(removesGuard ? guardRules.filter(({ chain }) => chain !== GUARD_CHAIN) : []),
  ]
  const jumps = [...saved.shared].flatMap(([key, rules]) =>
    rules.filter(rule => isAmong(unwanted, key, rule)).map(rule => ({ key, rule })),
  )
  const texts = tables.map(table => {
    const inTable = (key: string) => tableOf(key) === table
    const chains = own.filter(inTable)
    const lines = [
      ...chains.map(key => `:${nameOf(key)} - [0:0]\n`),
      ...jumps
        .filter(({ key }) => inTable(key))
        .map(({ key, rule }) => `-D ${nameOf(key)} ${rule}\n`),
      ...chains.filter(key => !used.has(key)).map(key => `-X ${nameOf(key)}\n`),
    ]
    return lines.length === 0 ? '' : [`*${table}\n`, ...lines, 'COMMIT\n'].join('')
  })
  return { text: texts.join(''), inUse: own.filter(key => used.has(key)) }
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

const isAmong = (rules: readonly SharedRule[], home: string, text: string): boolean =>
  rules.some(({ table, chain, rule }) => home === `${table} ${chain}` && isSameRule(rule, text))

const tableOf = (key: string): string => key.slice(0, key.indexOf(' '))
const nameOf = (key: string): string => key.slice(key.indexOf(' ') + 1)
