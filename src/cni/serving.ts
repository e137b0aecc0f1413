import type { JournalEntry } from './journal/entry.ts'
import type { Journal } from './journal/journal.ts'
import { LiveView } from './journal/live.ts'
import type { AttachedPods } from './pods/attached-pods.ts'
import type { CniPlugin } from './spec/plugin.ts'

/** An attachment as the journal has it. */
export type KnownAttachment = {
  readonly entry: JournalEntry
  /** Has its container ended? */
  readonly isGone: boolean
}

/** What a live attachment has lost in the kernel. */
export type LostWork = { readonly plugin: string; readonly entry: JournalEntry }

/** A CNI service that takes calls, for those who want to look into it. */
export class CniServing {
  readonly pods: AttachedPods
  readonly #journal: Journal
  readonly #plugins: readonly CniPlugin[]
  readonly #view: LiveView

  constructor(pods: AttachedPods, journal: Journal, plugins: readonly CniPlugin[]) {
    this.pods = pods
    this.#journal = journal
    this.#plugins = plugins
    this.#view = new LiveView(journal)
  }

  /** Everything that ADDs have begun and no DEL has ended. */
  attachments(): readonly KnownAttachment[] {
    return this.#journal.list().map(entry => ({ entry, isGone: this.#journal.isGone(entry) }))
  }

  /**
   * Attachments whose containers live and that lack something of what a plugin made, plugin by plugin. Changes nothing.
   * @throws {Error} the first plugin's that could not look.
   */
  async lost(signal: AbortSignal): Promise<readonly LostWork[]> {
    const found: LostWork[] = []
    for (const plugin of this.#plugins) {
      const known = this.#view.of(plugin).filter(({ entry }) => !this.#journal.isGone(entry))
      if (plugin.restoring === undefined || known.length === 0) continue
      const warn = (reason: string) => {
        throw new Error(`${plugin.name}: ${reason}`)
      }
      const lost = new Set(
        await plugin.restoring.lost(
          known.map(({ live }) => live),
          { signal, warn },
        ),
      )
      for (const { entry, live } of known)
        if (lost.has(live)) found.push({ plugin: plugin.name, entry })
    }
    return found
  }
}
