import { type CniEnvironment, parseEnvironment } from '../spec/environment.ts'
import type { AttachmentRequest, CniPlugin, LiveAttachment } from '../spec/plugin.ts'
import { parseStdin, requestFrom } from '../spec/request.ts'
import type { JournalEntry } from './entry.ts'
import type { Journal } from './journal.ts'
import { frameOf } from './sweep.ts'

/** A plugin's live attachments with their entries. */
export type LiveEntry = { readonly entry: JournalEntry; readonly live: LiveAttachment }

/** The attachments that a plugin has made and whose containers live. */
export function liveEntriesOf(journal: Journal, plugin: CniPlugin): readonly LiveEntry[] {
  return journal
    .list()
    .filter(entry => !journal.isGone(entry))
    .flatMap(entry => {
      const live = liveAttachment(entry, plugin)
      return live === undefined ? [] : [{ entry, live }]
    })
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
