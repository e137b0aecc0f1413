import { type CniEnvironment, parseEnvironment } from '../spec/environment.ts'
import type { AttachmentRequest, CniPlugin, LiveAttachment } from '../spec/plugin.ts'
import { parseStdin, requestFrom } from '../spec/request.ts'
import type { JournalEntry } from './entry.ts'
import type { Journal } from './journal.ts'
import { frameOf } from './sweep.ts'

/** A plugin's live attachments with their entries. */
export type LiveEntry = { readonly entry: JournalEntry; readonly live: LiveAttachment }

/** Reads the live attachments of plugins out of the journal, each entry once: most are as they were at the last look. */
export class LiveView {
  readonly #journal: Journal
  readonly #known = new WeakMap<JournalEntry, Map<string, LiveAttachment | undefined>>()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** The attachments that a plugin has made. Their containers may have gone meanwhile. */
  of(plugin: CniPlugin): readonly LiveEntry[] {
    return this.#journal.list().flatMap(entry => {
      const live = this.#read(entry, plugin)
      return live === undefined ? [] : [{ entry, live }]
    })
  }

  #read(entry: JournalEntry, plugin: CniPlugin): LiveAttachment | undefined {
    const known = this.#known.get(entry) ?? new Map<string, LiveAttachment | undefined>()
    this.#known.set(entry, known)
    if (!known.has(plugin.name)) known.set(plugin.name, liveAttachment(entry, plugin))
    return known.get(plugin.name)
  }
}

/** What a plugin has made of this attachment; undefined: nothing, or not yet. */
export function liveAttachment(entry: JournalEntry, plugin: CniPlugin): LiveAttachment | undefined {
  const call = entry.calls.findLast(each => each.plugin === plugin.name && each.isDone)
  if (call === undefined) return undefined
  const { env, config } = frameOf(entry, call, 'ADD')
  const environment = parseEnvironment(env) as CniEnvironment
  const raw = { stdin: config, env }
  const request = requestFrom(
    { ...environment, verb: 'ADD' },
    parseStdin(config),
    plugin.supportedVersions,
    raw,
  ) as AttachmentRequest
  const result = request.config.prevResult
  return result === undefined ? undefined : { request, result }
}
