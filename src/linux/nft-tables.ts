import type { IpFamily } from '#net/ip.ts'
import { exec } from './exec.ts'

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
