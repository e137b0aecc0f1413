import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/**
 * How willingly the kernel kills this process when memory runs out (proc(5), oom_score_adj): −1000 never, 1000 first.
 * @throws the system error: lowering it needs CAP_SYS_RESOURCE.
 */
export const setOomScoreAdj = (value: number): void =>
  writeFileSync('/proc/self/oom_score_adj', String(value))

/** What this process uses of what it may (proc(5)); each undefined where the process may not look. */
export type OwnResources = {
  readonly openFiles: () => number | undefined
  readonly maxOpenFiles: () => number | undefined
  readonly virtualBytes: () => number | undefined
  readonly maxVirtualBytes: () => number | undefined
}

/** Field of /proc/self/stat after the name of the program, which may hold anything: vsize is the 23rd of all. */
const VSIZE_FIELD = 20

export const ownResources: OwnResources = {
  // One of them is that of the listing itself.
  openFiles: () => orUndefined(() => readdirSync('/proc/self/fd').length - 1),
  maxOpenFiles: () => limit('Max open files'),
  virtualBytes: () =>
    orUndefined(() => {
      const text = readFileSync('/proc/self/stat', 'latin1')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      return Number(fields[VSIZE_FIELD])
    }),
  maxVirtualBytes: () => limit('Max address space'),
}

/** What programs in Go tell of a limit that there is not: the largest number of 64 bits. */
const UNLIMITED = 2 ** 64

/** The soft limit of this name. */
function limit(name: string): number | undefined {
  return orUndefined(() => {
    const text = readFileSync('/proc/self/limits', 'utf8')
    const [, soft] = new RegExp(`^${name} +(\\d+|unlimited) `, 'm').exec(text) ?? []
    if (soft === undefined) return undefined
    return soft === 'unlimited' ? UNLIMITED : Number(soft)
  })
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
