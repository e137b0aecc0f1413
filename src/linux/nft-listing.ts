import type { IpFamily } from '#net/ip.ts'
import { ExecError, exec } from './exec.ts'
import { NFT_TIMEOUT_MS } from './nft.ts'
import type { NftCounter } from './nft-elements.ts'

/** What one table holds. */
export type NftTable = {
  readonly chains: ReadonlyMap<string, NftChainSummary>
  /** Elements of each map and set, by name: key and value as nft writes them (`10.0.0.1 . tcp . 80`, `goto lb-2`). */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** A chain, its rules by their number. Handles are numbers that the kernel gives out upwards, in each table for itself. */
export type NftChainSummary = {
  readonly handle: number
  readonly rules: number
  /** The highest handle of a rule; 0 when there is none. */
  readonly lastRule: number
}

/** The summaries of chains of these handles with these rules. */
export function summarizeChains(
  chains: ReadonlyMap<string, number>,
  rules: Iterable<{ readonly chain: string; readonly handle: number }>,
): ReadonlyMap<string, NftChainSummary> {
  const summaries = new Map<string, NftChainSummary>()
  for (const [name, handle] of chains) summaries.set(name, { handle, rules: 0, lastRule: 0 })
  for (const { chain, handle } of rules) {
    const { rules = 0, lastRule = 0, ...own } = summaries.get(chain) ?? { handle: 0 }
    summaries.set(chain, { ...own, rules: rules + 1, lastRule: Math.max(lastRule, handle) })
  }
  return summaries
}

/** A table to be listed. */
export type ListedTable = {
  readonly family: IpFamily
  readonly name: string
  /** A run of nft that takes longer is killed; {@link NFT_TIMEOUT_MS} when not given. */
  readonly timeoutMs?: number | undefined
}

/**
 * Lists one table, never the whole ruleset; undefined when it is not there. By an `nft` child, since libnftables ends
 * the process on rules it cannot decode.
 * @throws {ExecError} nft could not be run or failed
 */
export async function listNftTable(
  table: ListedTable,
  signal: AbortSignal,
): Promise<NftTable | undefined> {
  try {
    return parseNftTable(await list(table, signal))
  } catch (error) {
    if (error instanceof ExecError && error.stderr.includes('No such file or directory')) return
    throw error
  }
}

/** The counters in the JSON of `nft -j list map` or `set`. */
export function parseNftCounters(json: string): ReadonlyMap<string, NftCounter> {
  const counters = new Map<string, NftCounter>()
  for (const { map, set } of itemsOf(json)) {
    for (const element of (map ?? set)?.elem ?? []) {
      const [key] = Array.isArray(element) ? (element as unknown[]) : [element]
      const counter = (key as { elem?: { counter?: NftCounter } }).elem?.counter
      if (counter !== undefined) counters.set(textOf(key), counter)
    }
  }
  return counters
}

const keywordOf = (family: IpFamily): string => (family === 4 ? 'ip' : 'ip6')

async function list(
  { family, name, timeoutMs = NFT_TIMEOUT_MS }: ListedTable,
  signal: AbortSignal,
): Promise<string> {
  const args = ['-j', 'list', 'table', keywordOf(family), name]
  return (await exec('nft', args, { signal, timeoutMs })).stdout
}

/**
 * The JSON of `nft -j list table` (libnftables-json(5)): the names and elements in it. Of a text that is no JSON nothing.
 */
export function parseNftTable(json: string): NftTable {
  const chains = new Map<string, number>()
  const rules: { chain: string; handle: number }[] = []
  const elements = new Map<string, Map<string, string>>()
  for (const item of itemsOf(json)) {
    if (item.chain !== undefined) chains.set(item.chain.name, item.chain.handle)
    if (item.rule !== undefined) rules.push(item.rule)
    const container = item.map ?? item.set
    if (container !== undefined) elements.set(container.name, elementsOf(container.elem ?? []))
  }
  return { chains: summarizeChains(chains, rules), elements }
}

/** nft 1.0.6 writes half a document for a table with flags. Ours have none, so what cannot be read is not ours. */
function itemsOf(json: string): readonly Item[] {
  try {
    return (JSON.parse(json) as { readonly nftables: readonly Item[] }).nftables
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

type Item = {
  readonly chain?: { readonly name: string; readonly handle: number }
  readonly rule?: { readonly chain: string; readonly handle: number }
  readonly map?: Container
  readonly set?: Container
}
type Container = { readonly name: string; readonly elem?: readonly unknown[] }

/** Elements of a set are keys, of a map pairs. */
function elementsOf(list: readonly unknown[]): Map<string, string> {
  const elements = new Map<string, string>()
  for (const element of list) {
    const [key, value] = Array.isArray(element) ? (element as unknown[]) : [element, '']
    elements.set(textOf(key), textOf(value))
  }
  return elements
}

/** A key or value as nft's own language writes it. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if ('elem' in value) return textOf((value as { elem: { val: unknown } }).elem.val)
  if ('concat' in value) return (value as { concat: unknown[] }).concat.map(textOf).join(' . ')
  if ('prefix' in value) {
    const { addr, len } = value.prefix as { addr: string; len: number }
    return `${addr}/${len}`
  }
  const [[verb, operand] = []] = Object.entries(value) as [string, { target?: string } | null][]
  return operand?.target === undefined ? String(verb) : `${verb} ${operand.target}`
}
