import type { IpFamily } from '#net/ip.ts'
import { exec } from './exec.ts'

/** Tables that rules of ours are in. */
export type IptablesTable = 'nat' | 'filter'

/** How long the programs wait for the lock that they share, seconds. */
const LOCK_SECONDS = 5

const program = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables')

/** The version of the iptables in PATH, `1.8.9`. @throws {ExecError} there is none. */
export async function iptablesVersion(family: IpFamily): Promise<string> {
  const { stdout } = await exec(program(family), ['--version'])
  return /v([0-9.]+)/.exec(stdout)?.[1] ?? ''
}

/** The rules of a table, a line each, as iptables-save prints them, without counters. @throws {ExecError} */
export async function saveIptables(
  family: IpFamily,
  table: IptablesTable,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const { stdout } = await exec(`${program(family)}-save`, ['-t', table], { signal })
  return stdout.split('\n').filter(line => /^[:-]/.test(line))
}

/**
 * Applies a text for iptables-restore; chains that it does not name stay as they are. A table is changed wholly or not
 * at all. @throws {ExecError} it was refused, or others held the lock for too long.
 */
export async function restoreIptables(
  family: IpFamily,
  text: string,
  signal?: AbortSignal,
): Promise<void> {
  const args = ['--noflush', '-w', String(LOCK_SECONDS)]
  await exec(`${program(family)}-restore`, args, { input: text, signal })
}
