import { existsSync } from 'node:fs'
import { systemClock } from '#runtime/clock.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { version } from '#runtime/version.ts'
import type { JournalEntry } from './journal/entry.ts'
import { Journal } from './journal/journal.ts'
import { endAttachments, type Swept } from './journal/sweep.ts'
import { loadPlugin } from './plugins.ts'
import { AttachedPods } from './pods/attached-pods.ts'
import { createCallHandler } from './server/answer-call.ts'
import { createCallMetrics } from './server/metrics.ts'
import { createWatcher } from './service.ts'

export type AttachmentFolders = {
  /** As {@link CniServiceOptions.stateDir}. */
  readonly stateDir: string
  /** As {@link CniServiceOptions.journalDir}. */
  readonly journalDir: string
}

type Warn = (fields: { readonly file: string; readonly reason: string }, message: string) => void

/** What agents have written down of attachments: those whose containers live, and those whose have gone. */
export type KnownAttachments = {
  readonly live: readonly JournalEntry[]
  readonly gone: readonly JournalEntry[]
  /** Names of the bridges that they are attached to. */
  readonly bridges: readonly string[]
}

/** Reads the journal of this node; nothing is known where there is none. */
export function knownAttachments(journalDir: string, warn: Warn): KnownAttachments {
  if (!existsSync(journalDir)) return { live: [], gone: [], bridges: [] }
  const journal = Journal.open(journalDir, warn)
  const { gone = [], live = [] } = Object.groupBy(journal.list(), entry =>
    journal.isGone(entry) ? 'gone' : 'live',
  )
  const calls = [...gone, ...live].flatMap(entry => entry.calls)
  return { live, gone, bridges: bridgesIn(calls.map(({ config }) => config)) }
}

/** The bridges that plugin configurations name; the plugin's own default where one names none. */
export const bridgesIn = (
  plugins: readonly Readonly<Record<string, unknown>>[],
): readonly string[] => [
  ...new Set(
    plugins.flatMap(({ type, bridge }) =>
      type !== 'bridge' ? [] : typeof bridge === 'string' && bridge !== '' ? [bridge] : ['cni0'],
    ),
  ),
]

/**
 * Ends attachments as their runtime's DELs would: those whose container has gone, and with `withLive` all. No agent runs
 * meanwhile.
 */
export async function removeAttachments(
  { stateDir, journalDir }: AttachmentFolders,
  { withLive, warn }: { readonly withLive: boolean; readonly warn: Warn },
  signal: AbortSignal,
): Promise<Swept> {
  if (!existsSync(journalDir)) return { removed: [], failed: [] }
  const pods = AttachedPods.open(stateDir, warn)
  const journal = Journal.open(journalDir, warn)
  const calls = createCallHandler({
    version,
    loadPlugin,
    watcher: createWatcher(pods, journal, {
      whyNotReady: () => undefined,
      dnsOf: () => undefined,
    }),
    metrics: createCallMetrics(createMetrics(), () => pods.size),
    clock: systemClock,
  })
  const isUnwanted = (entry: JournalEntry) => withLive || journal.isGone(entry)
  return await endAttachments({ journal, doCall: calls.answerIfWanted, isUnwanted }, signal)
}
