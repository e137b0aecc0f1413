import type { ForeignChange } from '#linux/nft-monitor.ts'
import { isSmaller, XTABLES_POLL_MS, type XtablesInfo } from '#linux/xtables-info.ts'
import type { Clock } from '#runtime/clock.ts'
import type { TableWatch } from '../foreign-changes.ts'
import { type Table, tables } from './fixed.ts'

export type LegacyWatchOptions = {
  readonly read: (table: Table) => XtablesInfo | undefined
  readonly close: () => void
  readonly clock: Clock
}

type Sizes = ReadonlyMap<Table, XtablesInfo | undefined>

/**
 * Notices that rules were taken out of the legacy flavour's tables. The kernel tells nobody of changes there, so it is asked
 * how large they are (kube-proxy looks every syncPeriod, 30 s, for a chain of its own, by a program for each table). More
 * rules than before are others' and no loss; rules that were exchanged for as many of the same size are found by the
 * periodic comparison.
 */
export class LegacyWatch implements TableWatch {
  readonly #options: LegacyWatchOptions
  #known: Sizes = new Map()
  /** Tables that were found smaller. */
  readonly #smaller = new Set<Table>()
  /** Writes of ours under way. */
  #writing = 0

  constructor(options: LegacyWatchOptions) {
    this.#options = options
  }

  /** We write until what this gives is disposed: what is there then is what we left. */
  write(): Disposable {
    // What was taken out since the last look would be gone among what we change.
    if (this.#writing === 0) this.#look()
    this.#writing++
    return {
      [Symbol.dispose]: () => {
        this.#writing--
        this.#known = this.#sizes()
      },
    }
  }

  /** What was taken out since the last look. @throws the signal's reason */
  async next(signal: AbortSignal): Promise<ForeignChange> {
    for (;;) {
      await this.#options.clock.sleep(XTABLES_POLL_MS, signal)
      if (this.#writing > 0) continue
      this.#look()
      if (this.#smaller.size === 0) continue
      const reason = `rules were taken out of ${[...this.#smaller].join(', ')}`
      this.#smaller.clear()
      return { reason, isElementsOnly: false }
    }
  }

  [Symbol.dispose](): void {
    this.#options.close()
  }

  #look(): void {
    const now = this.#sizes()
    for (const table of tables) {
      if (isSmaller(now.get(table), this.#known.get(table))) this.#smaller.add(table)
    }
    this.#known = now
  }

  #sizes(): Sizes {
    return new Map(tables.map(table => [table, this.#options.read(table)]))
  }
}
