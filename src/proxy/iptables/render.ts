import { type SharedRule, type Table, tables } from './fixed.ts'
import type { Changes } from './plan.ts'
import { isSameRule } from './rule.ts'
import type { Saved } from './saved.ts'

/** What goes into chains that are not ours alone. */
export type SharedChanges = {
  /** Chains to make, `table chain`. */
  readonly chains: readonly string[]
  /** Rules to put at the head of their chains, one after the other. */
  readonly rules: readonly SharedRule[]
}

export const nothingShared: SharedChanges = { chains: [], rules: [] }

const LINUX_CHAINS = new Set(['INPUT', 'OUTPUT', 'FORWARD', 'PREROUTING', 'POSTROUTING'])

/** The shared rules that are missing. */
export function missingShared(
  wanted: readonly SharedRule[],
  { chains, shared }: Saved,
): SharedChanges {
  const rules = wanted.filter(
    ({ table, chain, rule }) =>
      !shared.get(`${table} ${chain}`)?.some(other => isSameRule(other, rule)),
  )
  const homes = rules.map(({ table, chain }) => ({ key: `${table} ${chain}`, chain }))
  const missing = homes.filter(({ key, chain }) => !chains.has(key) && !LINUX_CHAINS.has(chain))
  return { chains: [...new Set(missing.map(({ key }) => key))], rules }
}

/**
 * Changes as input of `iptables-restore --noflush`, in pieces; nothing when there are none. A chain that is declared is
 * emptied, all others keep their rules. Each table is a transaction.
 */
export function* renderRestore(
  { written, deleted }: Changes,
  shared: SharedChanges = nothingShared,
): Generator<string> {
  for (const table of tables) {
    const inTable = (chain: string) => chain.startsWith(`${table} `)
    const own = [...written].filter(([chain]) => inTable(chain))
    const gone = [...deleted].filter(inTable).map(nameOf)
    const made = shared.chains.filter(inTable).map(nameOf)
    const heads = shared.rules.filter(rule => rule.table === table)
    if (own.length + gone.length + made.length + heads.length === 0) continue
    yield `*${table}\n`
    const declared = [...made, ...own.map(([chain]) => nameOf(chain)), ...gone]
    for (const name of declared) yield `:${name} - [0:0]\n`
    for (const { chain, rule } of heads) yield `-I ${chain} ${rule}\n`
    for (const [chain, rules] of own) {
      const name = nameOf(chain)
      for (const rule of rules) yield `-A ${name} ${rule}\n`
    }
    for (const name of gone) yield `-X ${name}\n`
    yield 'COMMIT\n'
  }
}

/** How many rules the changes write into a table. */
export const writtenRules = ({ written }: Changes, table: Table): number => {
  let count = 0
  for (const [chain, rules] of written) if (chain.startsWith(`${table} `)) count += rules.length
  return count
}

const nameOf = (chain: string): string => chain.slice(chain.indexOf(' ') + 1)
