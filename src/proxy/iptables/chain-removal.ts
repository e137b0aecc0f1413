import type { SharedRule } from './fixed.ts'
import { isSameRule, targetOf } from './rule.ts'
import type { Saved } from './saved.ts'

/** Input of `iptables-restore --noflush` that removes what is ours, and what stays since others use it. */
export type Removal = { readonly text: string; readonly inUse: readonly string[] }

/** What is to go; chains by `table chain`. */
export type Unwanted = {
  readonly tables: readonly string[]
  readonly isUnwanted: (chain: string) => boolean
  /** Rules of chains that stay. */
  readonly jumps: readonly SharedRule[]
  /** Chains that must stay since something leads to them. */
  readonly used: ReadonlySet<string>
}

/**
 * Removes chains and what leads to them; chains that are `used` are only emptied: iptables refuses to remove them, and all
 * else of their table with them. Each rule goes as often as it is there. Empty text: nothing is there.
 */
export function planChainRemoval(
  saved: Saved,
  { tables, isUnwanted, jumps, used }: Unwanted,
): Removal {
  const own = [...saved.chains.keys()].filter(isUnwanted)
  const leading = [...saved.shared].flatMap(([key, rules]) =>
    rules.filter(rule => isAmong(jumps, key, rule)).map(rule => ({ key, rule })),
  )
  const texts = tables.map(table => {
    const inTable = (key: string) => tableOf(key) === table
    const chains = own.filter(inTable)
    const lines = [
      ...chains.map(key => `:${nameOf(key)} - [0:0]\n`),
      ...leading
        .filter(({ key }) => inTable(key))
        .map(({ key, rule }) => `-D ${nameOf(key)} ${rule}\n`),
      ...chains.filter(key => !used.has(key)).map(key => `-X ${nameOf(key)}\n`),
    ]
    return lines.length === 0 ? '' : [`*${table}\n`, ...lines, 'COMMIT\n'].join('')
  })
  return { text: texts.join(''), inUse: own.filter(key => used.has(key)) }
}

/** The chains, `table chain`, that rules of these chains lead to, those left out that are known. */
export function chainsLedTo(
  rulesOf: Iterable<readonly [string, readonly string[]]>,
  known: readonly SharedRule[],
): ReadonlySet<string> {
  const used = new Set<string>()
  for (const [key, rules] of rulesOf) {
    for (const rule of rules) {
      const target = targetOf(rule)
      if (target !== undefined && !isAmong(known, key, rule)) used.add(`${tableOf(key)} ${target}`)
    }
  }
  return used
}

export const isAmong = (rules: readonly SharedRule[], home: string, text: string): boolean =>
  rules.some(({ table, chain, rule }) => home === `${table} ${chain}` && isSameRule(rule, text))

const tableOf = (key: string): string => key.slice(0, key.indexOf(' '))
const nameOf = (key: string): string => key.slice(key.indexOf(' ') + 1)
