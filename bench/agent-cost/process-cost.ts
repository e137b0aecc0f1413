import { readFileSync } from 'node:fs'

/** What a process has used. */
export type Cost = { readonly cpuMs: number; readonly atMs: number }

/** Linux counts in these (getconf CLK_TCK). */
const TICK_MS = 10

/** CPU time of a process and of its children that have ended (proc_pid_stat(5)). */
export function costOf(pid: number): Cost {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // utime, stime, cutime, cstime are fields 14 to 17; the third is the first here.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { cpuMs: ticks * TICK_MS, atMs: performance.now() }
}

/** Share of one core since then, per cent. */
export function cpuPercentSince(pid: number, before: Cost): number {
  const now = costOf(pid)
  return (100 * (now.cpuMs - before.cpuMs)) / (now.atMs - before.atMs)
}

/** Resident memory in MiB, now (VmRSS) or the highest ever (VmHWM). */
export function residentMiB(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024
}
