import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { AnswerFrame, CallFrame } from '../server/frame.ts'
import type { JournalCall, JournalEntry } from './entry.ts'
import type { Journal } from './journal.ts'

/** Does a call when its turn has come, unless it is not wanted any more by then. */
export type DoCall = (
  call: CallFrame,
  signal: AbortSignal,
  isStillWanted: () => boolean,
) => Promise<AnswerFrame | undefined>

/** How a sweep went. */
export type Swept = {
  /** Attachments of which nothing is left. */
  readonly removed: readonly JournalEntry[]
  /** What could not be removed, and why; the next sweep tries again. */
  readonly failed: readonly { readonly entry: JournalEntry; readonly reason: string }[]
}

/** Ends the attachments whose container has gone without a DEL: the runtime was killed, or the machine. */
export const sweep = (journal: Journal, doCall: DoCall, signal: AbortSignal): Promise<Swept> =>
  endAttachments({ journal, doCall, isUnwanted: entry => journal.isGone(entry) }, signal)

export type EndOptions = {
  readonly journal: Journal
  readonly doCall: DoCall
  readonly isUnwanted: (entry: JournalEntry) => boolean
}

/**
 * Ends unwanted attachments. Their chains are undone as a runtime would, from the last plugin to the first, with what is known
 * of their ADDs.
 */
export async function endAttachments(options: EndOptions, signal: AbortSignal): Promise<Swept> {
  const { journal, isUnwanted } = options
  const removed: JournalEntry[] = []
  const failed: { readonly entry: JournalEntry; readonly reason: string }[] = []
  for (const entry of journal.list()) {
    if (signal.aborted) break
    if (!isUnwanted(entry)) continue
    const reason = await undo(entry, options, signal)
    if (reason !== undefined) failed.push({ entry, reason })
    else if (journal.get(entry) === undefined) removed.push(entry)
  }
  return { removed, failed }
}

/** Gives the first failure's reason. A failure of one plugin keeps none of the others from its part. */
async function undo(
  entry: JournalEntry,
  { journal, doCall, isUnwanted }: EndOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  let reason: string | undefined
  // The runtime may have the attachment added anew, or deleted, while this waits for its turn.
  const isStillUnwanted = () => {
    const now = journal.get(entry)
    return now !== undefined && isUnwanted(now)
  }
  for (const call of entry.calls.toReversed()) {
    const answer = await doCall(frameOf(entry, call, 'DEL'), signal, isStillUnwanted)
    if (answer !== undefined && answer.exitCode !== 0) reason ??= answer.stdout.trim()
  }
  return reason
}

/** The call of a plugin about an attachment, as a runtime would send it. */
export function frameOf(
  { containerId, ifname, netns, result }: JournalEntry,
  { plugin, env, config }: JournalCall,
  verb: 'ADD' | 'DEL',
): CallFrame {
  const isDel = verb === 'DEL'
  // Before 0.4.0 DEL has no result (CNI specification 0.4.0).
  const hasResult = result !== undefined && !(isDel && isOld(config['cniVersion']))
  return {
    name: plugin,
    self: executableOf(plugin, env['CNI_PATH'] ?? ''),
    env: {
      ...env,
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_IFNAME: ifname,
      CNI_NETNS: isDel ? '' : netns,
    },
    config: Buffer.from(JSON.stringify(hasResult ? { ...config, prevResult: result } : config)),
  }
}

/** What the runtime would have started; a delegate beside it is known by it. */
const executableOf = (plugin: string, path: string): string =>
  path
    .split(':')
    .map(folder => join(folder, plugin))
    .find(file => existsSync(file)) ?? plugin

const isOld = (version: unknown): boolean =>
  typeof version !== 'string' || /^0\.[0-3]\./.test(version)
