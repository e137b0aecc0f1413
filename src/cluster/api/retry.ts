import type { Backoff } from '#runtime/backoff.ts'
import { ApiError, isExpired } from './api-error.ts'
import type { ApiTiming } from './timing.ts'

/** Does a failed watch have to be replaced by a new list, because its version or what it sent cannot be gone on from? */
export function needsList(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true
  if (isExpired(error) || error.failure === 'garbage') return true
  const { status = 0 } = error
  // Of these a later try with the same version may succeed. Other 4xx complain about the request, thus the version.
  return status >= 400 && status < 500 && ![401, 403, 429].includes(status)
}

/** Milliseconds to wait after a failure. `backoff` grows with every call. */
export function pauseAfter(error: unknown, backoff: Backoff, timing: ApiTiming): number {
  const pauseMs = backoff.next()
  if (!(error instanceof ApiError)) return pauseMs
  const { status, retryAfterMs } = error
  if (status === 403 || status === 404) return Math.max(pauseMs, timing.refusedMs)
  if (retryAfterMs === undefined) return pauseMs
  // Added, not compared: everyone who was told the same second should not come in the same second.
  return Math.min(retryAfterMs, timing.retryAfterMaxMs) + pauseMs
}
