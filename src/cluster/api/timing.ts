/** Every limit and pause of the API client in one place, so that tests can shorten them. */
export type ApiTiming = {
  /** From asking to the head of the answer, connecting included. */
  readonly answerMs: number
  /** Longest pause inside the body of a list. */
  readonly listSilenceMs: number
  /** Longest time for one page of a list. The API server itself ends lists after 60 s. */
  readonly listMs: number
  /** Watches are asked to end after a random time from this to twice this, so that nodes do not come back together. */
  readonly watchMinMs: number
  /** How much longer than asked a watch may last before we end it. */
  readonly watchGraceMs: number
  /**
   * Longest pause inside a watch. The API server sends a bookmark about once a minute (watch cache,
   * `bookmarkFrequency`), so a silent one is a half-open connection or a server that hangs.
   */
  readonly watchSilenceMs: number
  /** A watch that stood this long, or brought something, is a success. */
  readonly settleMs: number
  readonly retryInitialMs: number
  readonly retryMaxMs: number
  /** Pause before asking again for what RBAC forbids or the server does not have. */
  readonly refusedMs: number
  /** Pause before asking again for an optional kind that the server does not know; up to twice this. */
  readonly unknownMs: number
  /** Limit on the Retry-After of the server. */
  readonly retryAfterMaxMs: number
}

export const defaultTiming: ApiTiming = {
  answerMs: 30_000,
  listSilenceMs: 30_000,
  listMs: 120_000,
  watchMinMs: 300_000,
  watchGraceMs: 30_000,
  watchSilenceMs: 75_000,
  settleMs: 1_000,
  retryInitialMs: 200,
  retryMaxMs: 30_000,
  refusedMs: 30_000,
  unknownMs: 300_000,
  retryAfterMaxMs: 60_000,
}
