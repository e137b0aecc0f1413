import type { Clock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { ClusterNames } from './cluster-names.ts'

/** How often waiting is logged, milliseconds. */
const LOG_INTERVAL_MS = 500

/** Waits until everything was listed once, but no longer than `timeoutMs`: names are then served as far as known. */
export async function waitForSync(
  names: ClusterNames,
  timeoutMs: number,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  const end = clock.monotonic() + timeoutMs
  while (!names.synced) {
    const leftMs = end - clock.monotonic()
    if (leftMs <= 0) {
      log.warn('kubernetes: serving before the first sync')
      return
    }
    const pause = new AbortController()
    const paused = clock.sleep(Math.min(leftMs, LOG_INTERVAL_MS), pause.signal)
    await Promise.race([names.firstSync, paused])
    pause.abort()
    await paused.catch(() => undefined)
    if (!names.synced) log.info('kubernetes: waiting for the first sync')
  }
}
