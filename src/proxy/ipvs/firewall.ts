import type { Iptables } from '#linux/iptables.ts'
import {
  type IptablesOptions,
  jumpRule,
  jumps,
  ownChains,
  renderChains,
  type Table,
  tables,
} from './iptables-render.ts'
import type { Facts } from './plan.ts'
import { savedLines } from './saved-lines.ts'

export type FirewallOptions = IptablesOptions & { readonly iptables: Iptables }

/** The iptables rules of one family: the chains of this mode, and the jumps to them. */
export class Firewall {
  readonly #options: FirewallOptions
  /** What is ours of the tables, as it was listed when it was right. */
  #listed: string | undefined

  constructor(options: FirewallOptions) {
    this.#options = options
  }

  /** Writes all rules, with one run of iptables-restore. @throws {IptablesError} */
  async write(facts: Facts, signal: AbortSignal): Promise<void> {
    this.#listed = undefined
    const chains = renderChains(this.#options, facts)
    const { iptables } = this.#options
    const present = savedLines(await iptables.save(signal))
    const texts = tables.map(table =>
      renderTable(table, chains[table], new Set(present.get(table))),
    )
    await iptables.restore(texts, signal)
    this.#listed = await this.#list(signal)
  }

  /** Is all as it was written? @throws {IptablesError} */
  async isIntact(signal: AbortSignal): Promise<boolean> {
    return this.#listed === undefined || this.#listed === (await this.#list(signal))
  }

  /** What is ours: how iptables prints a rule is its business, so it is compared with itself. */
  async #list(signal: AbortSignal): Promise<string> {
    const lines: string[] = []
    const present = savedLines(await this.#options.iptables.save(signal))
    for (const table of tables) {
      const own = new Set(ownChains(table))
      for (const line of present.get(table) ?? []) {
        if (isOurs(line, table, own)) lines.push(`${table} ${line}`)
      }
    }
    return lines.join('\n')
  }
}

function isOurs(line: string, table: Table, chains: ReadonlySet<string>): boolean {
  const [, chain = ''] = /^-A (\S+)/.exec(line) ?? []
  if (chains.has(chain)) return true
  return jumps.some(jump => jump.table === table && line === `-A ${jumpRule(jump)}`)
}

/** The text for one table. A chain that is named is emptied, so its rules are all that are in it afterwards. */
function renderTable(
  table: Table,
  chains: Readonly<Record<string, readonly string[]>>,
  present: ReadonlySet<string>,
): string {
  const missing = jumps.filter(jump => jump.table === table && !present.has(`-A ${jumpRule(jump)}`))
  const lines = [
    `*${table}`,
    ...Object.keys(chains).map(chain => `:${chain} - [0:0]`),
    ...Object.entries(chains).flatMap(([chain, rules]) => rules.map(rule => `-A ${chain} ${rule}`)),
    ...missing.map(jump => `-I ${jumpRule(jump)}`),
    'COMMIT',
    '',
  ]
  return lines.join('\n')
}
