import { type IpFamily, ipFamilies } from '#net/ip.ts'
import {
  isSmaller,
  legacyTables,
  XTABLES_POLL_MS,
  type XtablesInfo,
  XtablesSocket,
} from './xtables-info.ts'

/**
 * Tells when rules were taken out of these tables of the legacy iptables, of which nobody announces changes: the kernel is
 * asked how large they are. Tables that do not exist are not made by asking (a question about one makes it).
 */
export function watchXtables(tables: ReadonlySet<string>, onSmaller: () => void): Disposable {
  const watches = ipFamilies.map(family => new FamilyWatch(family, tables))
  const timer = setInterval(() => {
    const found = watches.map(watch => watch.hasShrunk())
    if (found.includes(true)) onSmaller()
  }, XTABLES_POLL_MS).unref()
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      for (const watch of watches) watch[Symbol.dispose]()
    },
  }
}

class FamilyWatch implements Disposable {
  readonly #family: IpFamily
  readonly #tables: ReadonlySet<string>
  #socket: XtablesSocket | undefined
  #known: ReadonlyMap<string, XtablesInfo | undefined>

  constructor(family: IpFamily, tables: ReadonlySet<string>) {
    this.#family = family
    this.#tables = tables
    this.#known = this.#sizes()
  }

  /** Since the last call. */
  hasShrunk(): boolean {
    const before = this.#known
    const now = this.#sizes()
    this.#known = now
    return [...before].some(([table, size]) => isSmaller(now.get(table), size))
  }

  #sizes(): ReadonlyMap<string, XtablesInfo | undefined> {
    const present = (legacyTables(this.#family) ?? []).filter(table => this.#tables.has(table))
    if (present.length === 0) return new Map()
    this.#socket ??= new XtablesSocket(this.#family)
    const socket = this.#socket
    return new Map(present.map(table => [table, socket.read(table)]))
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]()
  }
}
