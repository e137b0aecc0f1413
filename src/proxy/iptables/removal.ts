import { fixedChains, jumpRules, tables } from './fixed.ts'
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
  const used = new Set<string>()
  for (const [key, rules] of shared) {
    for (const rule of rules) {
      const target = targetOf(rule)
      if (target !== undefined && !isOurJump(key, rule)) used.add(`${tableOf(key)} ${target}`)
    }
  }
  return used
}

/** Removes our chains and what leads to them; chains that others lead to are only emptied. Empty text: nothing is there. */
export function planRemoval(saved: Saved): Removal {
  const used = chainsUsedByOthers(saved)
  const own = [...saved.chains.keys()].filter(isOwnChain)
  const jumps = [...saved.shared].flatMap(([key, rules]) =>
    rules.filter(rule => isOurJump(key, rule)).map(rule => ({ key, rule })),
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

const isOurJump = (home: string, text: string): boolean =>
  jumpRules.some(({ table, chain, rule }) => home === `${table} ${chain}` && isSameRule(rule, text))

const tableOf = (key: string): string => key.slice(0, key.indexOf(' '))
const nameOf = (key: string): string => key.slice(key.indexOf(' ') + 1)
