import type { JournalEntry } from './journal/entry.ts'
import type { Journal } from './journal/journal.ts'
import { LiveView } from './journal/live.ts'
import { endAttachments, type Swept } from './journal/sweep.ts'
import type { AttachedPods } from './pods/attached-pods.ts'
import type { CallHandler } from './server/answer-call.ts'
import type { CniPlugin } from './spec/plugin.ts'

/** An attachment as the journal has it. */
export type KnownAttachment = {
  readonly entry: JournalEntry
  /** Has its container ended? */
  readonly isGone: boolean
}

/** What a live attachment has lost in the kernel. */
export type LostWork = { readonly plugin: string; readonly entry: JournalEntry }

type CniServingParts = {
  readonly pods: AttachedPods
  readonly journal: Journal
  readonly plugins: readonly CniPlugin[]
  readonly calls: Pick<CallHandler, 'answerIfWanted'>
}

/** A CNI service that takes calls, for those who want to look into it. */
export class CniServing {
  readonly pods: AttachedPods
  readonly #journal: Journal
  readonly #plugins: readonly CniPlugin[]
  readonly #calls: Pick<CallHandler, 'answerIfWanted'>
  readonly #view: LiveView

  constructor({ pods, journal, plugins, calls }: CniServingParts) {
    this.pods = pods
    this.#journal = journal
    this.#plugins = plugins
    this.#calls = calls
    this.#view = new LiveView(journal)
  }

  /** Everything that ADDs have begun and no DEL has ended. */
  attachments(): readonly KnownAttachment[] {
    return this.#journal.list().map(entry => ({ entry, isGone: this.#journal.isGone(entry) }))
  }

  /**
   * Ends attachments whose containers have gone, of one network or of all, by the DELs of their plugins, as the service does by
   * itself once a minute. It stops between two of them when the signal is aborted.
   */
  collect(network: string | undefined, signal: AbortSignal): Promise<Swept> {
    const journal = this.#journal
    const isUnwanted = (entry: JournalEntry) =>
      (network === undefined || entry.network === network) && journal.isGone(entry)
    return endAttachments({ journal, doCall: this.#calls.answerIfWanted, isUnwanted }, signal)
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
