/** What looking at a part's work from outside has shown. */
export type ProbeResult =
  | { readonly outcome: 'ok' }
  /** There is nothing by which it could be seen. */
  | { readonly outcome: 'skipped'; readonly reason: string }
  | { readonly outcome: 'failed'; readonly reason: string }

/** Looks once; says what it saw by the time the signal is aborted. */
export type Probe = (signal: AbortSignal) => Promise<ProbeResult>

export const ok: ProbeResult = { outcome: 'ok' }
export const skipped = (reason: string): ProbeResult => ({ outcome: 'skipped', reason })
export const failed = (reason: string): ProbeResult => ({ outcome: 'failed', reason })

/** What is said of a part after some probes. */
export type ProbeState = {
  /** In a row. */
  readonly failures: number
  /** undefined: nobody has looked yet. */
  readonly isFailing: boolean | undefined
  /** Of the last probe, unless it was good. */
  readonly reason: string | undefined
}

export const unprobed: ProbeState = { failures: 0, isFailing: undefined, reason: undefined }

/** One lost packet is no news; two in a row are. */
const FAILURES_TO_TELL = 2

/** Pure: a part that was good is failing from the second failure on, one that never was from the first. */
export function nextState(before: ProbeState, result: ProbeResult): ProbeState {
  if (result.outcome === 'ok') return { failures: 0, isFailing: false, reason: undefined }
  const { reason } = result
  if (result.outcome === 'skipped') return { failures: 0, isFailing: false, reason }
  const failures = before.failures + 1
  const isFailing = before.isFailing !== false || failures >= FAILURES_TO_TELL
  return { failures, isFailing, reason }
}
