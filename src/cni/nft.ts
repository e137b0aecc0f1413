import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'

/** How often a transaction is made anew that a call for another container overtook. */
const MAX_ATTEMPTS = 5

/** One transaction. @throws {ExecError} nft refused, or is not there. */
export const runNft = (input: string, signal: AbortSignal) =>
  exec('nft', ['-f', '-'], { input, signal })

/** The JSON of a table (`ip name`); undefined where there is no nft or no such table. @throws {ExecError} */
export async function listTable(table: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await exec('nft', ['-j', 'list', 'table', ...table.split(' ')], { signal })).stdout
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof ExecError &&
  (error.exitCode === undefined ? isProgramMissing(error) : /No such file/.test(error.stderr))

/** Does something again that lists and then changes, when somebody else was quicker with a change. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || isProgramMissing(error)) throw error
    }
  }
}

/** How many rules without a comment each chain has, in what {@link listTable} gave: those that belong to no attachment. */
export function countSharedRules(listing: string): ReadonlyMap<string, number> {
  const { nftables = [] } = JSON.parse(listing) as { readonly nftables?: readonly RuleItem[] }
  const counts = new Map<string, number>()
  for (const { rule } of nftables) {
    if (rule === undefined || rule.comment !== undefined) continue
    counts.set(rule.chain, (counts.get(rule.chain) ?? 0) + 1)
  }
  return counts
}

type RuleItem = { readonly rule?: { readonly chain: string; readonly comment?: string } }
