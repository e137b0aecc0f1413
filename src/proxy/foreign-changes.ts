import type { ForeignChange } from '#linux/nft-monitor.ts'
import type { Clock } from '#runtime/clock.ts'

/** Tells of changes that others made to what is ours. */
export interface TableWatch extends Disposable {
  next(signal: AbortSignal): Promise<ForeignChange>
}

/** So many repairs may follow one another at once … */
const REPAIRS_AT_ONCE = 20
/** … and then one in so many milliseconds: somebody keeps fighting, and neither is to take the whole machine for it. */
const REPAIR_INTERVAL_MS = 5_000

export type GuardOptions = {
  readonly watch: TableWatch
  readonly clock: Clock
  /** The next change is asked for when it is done. */
  readonly onChange: (change: ForeignChange) => void | Promise<void>
}

/** Hands on what others did until the signal is aborted: the first ones at once, endless ones at a bounded rate, summed up. */
export async function guardTable(
  { watch, clock, onChange }: GuardOptions,
  signal: AbortSignal,
): Promise<void> {
  let spent = 0
  let lastMs = clock.monotonic()
  try {
    for (;;) {
      const change = await watch.next(signal)
      const nowMs = clock.monotonic()
      spent = Math.max(0, spent - (nowMs - lastMs) / REPAIR_INTERVAL_MS) + 1
      lastMs = nowMs
      await onChange(change)
      if (spent >= REPAIRS_AT_ONCE) await clock.sleep(REPAIR_INTERVAL_MS, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
