import type { Clock } from '#runtime/clock.ts'
import { describeError, isAbort } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import { runTogether } from '#runtime/run-together.ts'
import type { Journal } from './journal/journal.ts'
import { sweep } from './journal/sweep.ts'
import { restoreAttachments } from './restore-attachments.ts'
import type { CallHandler } from './server/answer-call.ts'
import type { CniPlugin } from './spec/plugin.ts'

/** How often attachments whose container has gone are looked for. */
const SWEEP_INTERVAL_MS = 60_000

export type CaretakerOptions = {
  readonly journal: Journal
  readonly calls: CallHandler
  readonly plugins: readonly CniPlugin[]
  readonly onReclaimed: (count: number) => void
  /** Told of what live attachments have lost. */
  readonly onLoss?: LossSink | undefined
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Looks after attachments that nobody calls about, from now on until `stop` is aborted: those whose container has gone end,
 * and those that live keep their rules.
 */
export const takeCare = (options: CaretakerOptions, stop: AbortSignal): Promise<void> =>
  runTogether(
    [signal => sweepAgain(options, signal), signal => restoreAttachments(options, signal)],
    stop,
  )

async function sweepAgain(options: CaretakerOptions, stop: AbortSignal): Promise<void> {
  const { clock, log } = options
  while (!stop.aborted) {
    try {
      await reclaim(options, stop)
      await clock.sleep(SWEEP_INTERVAL_MS, stop)
    } catch (error) {
      if (stop.aborted && isAbort(error)) return
      log.error({ error: describeError(error) }, 'looking after attachments failed')
      await clock.sleep(SWEEP_INTERVAL_MS, stop).catch(() => {})
    }
  }
}

async function reclaim(
  { journal, calls, onReclaimed, log }: CaretakerOptions,
  stop: AbortSignal,
): Promise<void> {
  const { removed, failed } = await sweep(journal, calls.answerIfWanted, stop)
  for (const { network, containerId, ifname } of removed) {
    log.info({ network, containerId, ifname }, 'container gone without a DEL: attachment removed')
  }
  for (const { entry, reason } of failed) {
    const { network, containerId, ifname } = entry
    log.warn({ network, containerId, ifname, reason }, 'container gone, attachment not removed')
  }
  onReclaimed(removed.length)
}
