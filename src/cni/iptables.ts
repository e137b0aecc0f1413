import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'
import type { IpFamily } from '#net/ip.ts'

/** How long iptables may wait for others that hold its lock, in seconds. */
export const LOCK_WAIT = ['-w', '10'] as const

/** `iptables` or `ip6tables`. */
export const programOf = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables')

/** What `iptables-save -t TABLE` prints. @throws {ExecError} */
export const saveTable = async (
  table: string,
  family: IpFamily,
  signal: AbortSignal,
): Promise<string> => (await exec(`${programOf(family)}-save`, ['-t', table], { signal })).stdout

/** The same; empty where the program, or the kernel's support for it, is missing: then nothing is there. @throws {ExecError} */
export async function saveTableIfAny(
  table: string,
  family: IpFamily,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await saveTable(table, family, signal)
  } catch (error) {
    const isRefused = error instanceof ExecError && error.exitCode !== undefined
    if (isRefused || isProgramMissing(error)) return ''
    throw error
  }
}

/** Applies what `iptables-restore --noflush` reads, wholly or not at all. @throws {ExecError} */
export const restoreTable = (family: IpFamily, input: string, signal: AbortSignal) =>
  exec(`${programOf(family)}-restore`, ['--noflush', ...LOCK_WAIT], { input, signal })

/** Is there an iptables that can list this chain? @throws {ExecError} */
export async function requireChain(
  table: string,
  chain: string,
  signal: AbortSignal,
): Promise<void> {
  await exec('iptables', [...LOCK_WAIT, '-t', table, '-S', chain], { signal })
}
