import type { IpFamily } from '#net/ip.ts'
import { exec, isProgramMissing } from './exec.ts'

/**
 * The names of a family's tables (`ip` or `ip6`), without what is in them.
 * @throws {ExecError} nft could not be run or failed.
 */
export async function listNftTableNames(
  family: IpFamily,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keyword = family === 4 ? 'ip' : 'ip6'
  const { stdout } = await exec('nft', ['list', 'tables', keyword], { signal })
  // `table ip nodeplane`, a line each.
  return stdout.split('\n').flatMap(line => line.split(' ')[2] ?? [])
}

/**
 * All tables of all families, as nft names them: `ip nodeplane`, `bridge nodeplane_cni`. None where there is no nft.
 * @throws {ExecError} nft failed.
 */
export async function listNftTables(signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { stdout } = await exec('nft', ['list', 'tables'], { signal })
    return stdout.split('\n').flatMap(line => /^table (.*)$/.exec(line)?.[1] ?? [])
  } catch (error) {
    if (isProgramMissing(error)) return []
    throw error
  }
}

/** Removes tables (`ip nodeplane`) in one transaction. @throws {ExecError} one is not there, or has another owner. */
export async function removeNftTables(
  tables: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (tables.length === 0) return
  const input = tables.map(table => `delete table ${table}\n`).join('')
  await exec('nft', ['-f', '-'], { input, signal })
}
