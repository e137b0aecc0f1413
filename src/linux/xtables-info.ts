import { closeSync, readFileSync } from 'node:fs'
import type { IpFamily } from '#net/ip.ts'
import { openFirewallSocket, readSocketOption, SystemCallError } from './libc.ts'

/** How large a table of the legacy iptables is: other rules nearly always make another size. */
export type XtablesInfo = {
  /** Rules, and two for each chain of a user. */
  readonly entries: number
  readonly bytes: number
}

/** How often to ask for the sizes of tables, of whose changes nobody tells; it takes the kernel microseconds. */
export const XTABLES_POLL_MS = 250

/**
 * The tables of the legacy iptables that some program has asked for in this process's network namespace (asking the kernel
 * about another one would make it): none without the module, undefined where they may not be read.
 */
export function legacyTables(family: IpFamily): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/net/ip${family === 4 ? '' : '6'}_tables_names`, 'utf8')
    return text.split('\n').filter(name => name !== '')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : undefined
  }
}

/** Were rules taken out? A rule in place of another of the same number may have another size. */
export const isSmaller = (now: XtablesInfo | undefined, before: XtablesInfo | undefined): boolean =>
  before !== undefined &&
  (now === undefined ||
    now.entries < before.entries ||
    (now.entries === before.entries && now.bytes !== before.bytes))

/** AF_INET with SOL_IP, AF_INET6 with SOL_IPV6 (linux/socket.h). */
const addressing = { 4: { domain: 2, level: 0 }, 6: { domain: 10, level: 41 } } as const
/** IPT_SO_GET_INFO and IP6T_SO_GET_INFO (linux/netfilter_ipv4/ip_tables.h). */
const SO_GET_INFO = 64
/** struct ipt_getinfo, in 32-bit words: name[32], valid_hooks, hook_entry[5], underflow[5], num_entries, size. */
const NAME_BYTES = 32
const ENTRIES_WORD = 19
const SIZE_WORD = 20
const WORDS = 21

/** Asks the kernel about the tables of the legacy iptables, as `iptables -L` does first: microseconds, whatever their size. */
export class XtablesSocket implements Disposable {
  readonly #fd: number
  readonly #level: number

  /** In the calling thread's network namespace. @throws {SystemCallError} */
  constructor(family: IpFamily) {
    const { domain, level } = addressing[family]
    this.#fd = openFirewallSocket(domain)
    this.#level = level
  }

  /** undefined where the kernel has no such table. */
  read(table: string): XtablesInfo | undefined {
    const value = new Int32Array(WORDS)
    Buffer.from(value.buffer, 0, NAME_BYTES).write(table, 'latin1')
    try {
      readSocketOption(this.#fd, this.#level, SO_GET_INFO, value)
    } catch (error) {
      if (error instanceof SystemCallError) return undefined
      throw error
    }
    return { entries: value[ENTRIES_WORD] as number, bytes: value[SIZE_WORD] as number }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}
