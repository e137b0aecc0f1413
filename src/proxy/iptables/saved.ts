import type { Pace } from '#runtime/pace.ts'
import { type ChainState, stateOf } from './chain-state.ts'

/** What iptables-save says, by `table chain`. */
export type Saved = {
  /** Every chain there is. */
  readonly chains: ReadonlyMap<string, ChainState>
  /** The rules of the chains that are not only ours: of Linux, of the kubelet, of others. */
  readonly shared: ReadonlyMap<string, readonly string[]>
}

const NO_RULES: readonly string[] = []

/**
 * Reads the output of iptables-save. Of chains that are `ours` only a digest is kept, since there can be many.
 * Lines that are neither table, chain nor rule are passed over.
 */
export async function parseSaved(
  text: string,
  isOurs: (chain: string) => boolean,
  pace: Pace,
): Promise<Saved> {
  const chains = new Map<string, ChainState>()
  const shared = new Map<string, readonly string[]>()
  const rules = new Map<string, string[]>()
  let table = ''
  const endTable = () => {
    for (const [chain, list] of rules) {
      if (isOurs(chain)) chains.set(chain, stateOf(list))
      else shared.set(chain, list)
    }
    rules.clear()
  }
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end < 0 ? text.length : end)
    at = end < 0 ? text.length : end + 1
    if (line.startsWith('*')) table = line.slice(1)
    else if (line.startsWith(':')) chains.set(`${table} ${wordAt(line, 1)}`, stateOf(NO_RULES))
    else if (line.startsWith('-A ')) {
      const chain = wordAt(line, 3)
      const key = `${table} ${chain}`
      const list = rules.get(key) ?? []
      // iptables-save (1.8) prints two blanks there, where a rule as we write it has one.
      list.push(line.slice(4 + chain.length).replace('--nfacct-name  ', '--nfacct-name '))
      rules.set(key, list)
    } else if (line === 'COMMIT') endTable()
    await pace.breathe()
  }
  return { chains, shared }
}

function wordAt(line: string, start: number): string {
  const end = line.indexOf(' ', start)
  return line.slice(start, end < 0 ? line.length : end)
}
