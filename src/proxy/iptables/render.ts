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
 * Chains in one transaction of the nft flavour. It looks for the chain of each rule in a sorted list of all chains named
 * so far, so a long text takes time by its square (10,000 Services: minutes instead of seconds; iptables 1.8.9).
 */
const NFT_CHAINS_PER_TRANSACTION = 300

export type RestoreOptions = {
  readonly flavour: 'nft' | 'legacy'
  readonly shared?: SharedChanges | undefined
}

/**
 * Changes as input of `iptables-restore --noflush`, in pieces; nothing when there are none. A chain that is declared is
 * emptied, all others keep their rules. Each table is a transaction, of the nft flavour as many as it takes: chains are in
 * an order in which each leads only to earlier ones, and what leads to them all comes last, together with the removals.
 */
export function* renderRestore(
  { written, deleted }: Changes,
  { flavour, shared = nothingShared }: RestoreOptions,
): Generator<string> {
  const limit = flavour === 'nft' ? NFT_CHAINS_PER_TRANSACTION : Number.POSITIVE_INFINITY
  for (const table of tables) {
    const inTable = (chain: string) => chain.startsWith(`${table} `)
    const gone = [...deleted].filter(inTable).map(nameOf)
    const made = shared.chains.filter(inTable).map(nameOf)
    const heads = shared.rules.filter(rule => rule.table === table)
    const chains = [...written].filter(([chain]) => inTable(chain))
    let start = 0
    for (; chains.length - start > limit; start += limit) {
      yield `*${table}\n`
      yield* renderChains(chains.slice(start, start + limit))
      yield 'COMMIT\n'
    }
    const last = chains.slice(start)
    if (last.length + gone.length + made.length + heads.length === 0) continue
    yield `*${table}\n`
    for (const name of [...made, ...gone]) yield `:${name} - [0:0]\n`
    yield* renderChains(last)
    for (const { chain, rule } of heads) yield `-I ${chain} ${rule}\n`
    for (const name of gone) yield `-X ${name}\n`
    yield 'COMMIT\n'
  }
}

function* renderChains(
  chains: readonly (readonly [string, readonly string[]])[],
): Generator<string> {
  for (const [chain] of chains) yield `:${nameOf(chain)} - [0:0]\n`
  for (const [chain, rules] of chains) {
    const name = nameOf(chain)
    for (const rule of rules) yield `-A ${name} ${rule}\n`
  }
}

/** How many rules the changes write into a table. */
export const writtenRules = ({ written }: Changes, table: Table): number => {
  let count = 0
  for (const [chain, rules] of written) if (chain.startsWith(`${table} `)) count += rules.length
  return count
}

const nameOf = (chain: string): string => chain.slice(chain.indexOf(' ') + 1)
