import { exec } from './exec.ts'

/** A chain that the kernel enters by itself. */
export type NftBaseChain = {
  /** `ip`, `ip6`, `inet` … */
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook: string
  readonly policy: string
}

/**
 * All base chains of all tables; no rules and no sets are read for it.
 * @throws {ExecError} nft could not be run or failed.
 */
export async function listNftBaseChains(signal: AbortSignal): Promise<readonly NftBaseChain[]> {
  return parseNftChains((await exec('nft', ['-j', 'list', 'chains'], { signal })).stdout)
}

/** The JSON of `nft -j list chains` (libnftables-json(5)). */
export function parseNftChains(json: string): readonly NftBaseChain[] {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly Item[] }
  return nftables.flatMap(({ chain }) => {
    if (chain?.hook === undefined) return []
    const { family, table, name, hook, policy = 'accept' } = chain
    return [{ family, table, name, hook, policy }]
  })
}

type Item = {
  readonly chain?: Partial<NftBaseChain> & Pick<NftBaseChain, 'family' | 'table' | 'name'>
}

/** What a firewall's table may be long at most, in bytes; those of the known ones have some ten thousand. */
const MAX_TABLE_BYTES = 8 * 1024 * 1024

/**
 * The rules of each chain of a table, in nft's language.
 * @throws {ExecError} it is not there or too long, or nft could not be run or failed.
 */
export async function listNftRules(
  { family, table }: Pick<NftBaseChain, 'family' | 'table'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const limits = { signal, maxOutputBytes: MAX_TABLE_BYTES }
  return parseNftRules((await exec('nft', ['-s', 'list', 'table', family, table], limits)).stdout)
}

/** The text of `nft list table`: chains are indented by one tabulator, their lines by two. */
export function parseNftRules(text: string): ReadonlyMap<string, readonly string[]> {
  const chains = new Map<string, string[]>()
  let rules: string[] | undefined
  for (const line of text.split('\n')) {
    const head = /^\tchain (\S+) \{/.exec(line)?.[1]
    if (head !== undefined) chains.set(head, (rules = []))
    else if (line.startsWith('\t}')) rules = undefined
    else if (rules !== undefined && line.startsWith('\t\t') && !line.startsWith('\t\ttype ')) {
      rules.push(line.trim())
    }
  }
  return chains
}
