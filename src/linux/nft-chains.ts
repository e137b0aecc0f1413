import { exec } from './exec.ts'

/** A chain, and where the kernel enters it by itself. */
export type NftChain = {
  /** `ip`, `ip6`, `inet` … */
  readonly family: string
  readonly table: string
  readonly name: string
  /** undefined: only other chains lead there. */
  readonly hook: string | undefined
  readonly policy: string
}

/**
 * All chains of all tables; no rules and no sets are read for it.
 * @throws {ExecError} nft could not be run or failed.
 */
export async function listNftChains(signal: AbortSignal): Promise<readonly NftChain[]> {
  return parseNftChains((await exec('nft', ['-j', 'list', 'chains'], { signal })).stdout)
}

/** The JSON of `nft -j list chains` (libnftables-json(5)). */
export function parseNftChains(json: string): readonly NftChain[] {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly Item[] }
  return nftables.flatMap(({ chain }) => {
    if (chain === undefined) return []
    const { family, table, name, hook, policy = 'accept' } = chain
    return [{ family, table, name, hook, policy }]
  })
}

type Item = {
  readonly chain?: Pick<NftChain, 'family' | 'table' | 'name'> & {
    readonly hook?: string
    readonly policy?: string
  }
}

/** What a firewall's table may be long at most, in bytes; those of the known ones have some ten thousand. */
const MAX_TABLE_BYTES = 8 * 1024 * 1024

/**
 * The rules of each chain of a table, in nft's language.
 * @throws {ExecError} it is not there or too long, or nft could not be run or failed.
 */
export async function listNftRules(
  { family, table }: Pick<NftChain, 'family' | 'table'>,
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
