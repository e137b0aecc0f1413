/** One try: what it comes to, `undefined` for nothing wanted; and how long it is waited for alone, milliseconds. */
export type Try<T> = { readonly outcome: Promise<T | undefined>; readonly patienceMs: number }

/** Tries under way at a time: more open questions would be more chances for a forged answer (CVE-2023-30464). */
const MAX_AT_ONCE = 2

/** Made once: an abort without a reason makes an error, with its stack, for every query. */
const DECIDED = new Error('another try was quicker')

/**
 * The outcome of the first try that is wanted. The next one starts when the one before came to nothing, or beside it when that is
 * slow (Dean and Barroso's hedged request): one slow server must not make a name slow. Those that are not needed any more are
 * aborted.
 * @param next starts a try; undefined: there are no more.
 * @returns undefined when all came to nothing.
 */
export async function firstWanted<T>(
  next: (signal: AbortSignal) => Try<T> | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const losers = new AbortController()
  const limit = AbortSignal.any([signal, losers.signal])
  const running = new Set<Promise<Ended<T>>>()
  let isExhausted = false
  try {
    for (;;) {
      let patienceMs: number | undefined
      if (!isExhausted && running.size < MAX_AT_ONCE) {
        const started = next(limit)
        if (started === undefined) isExhausted = true
        else running.add(endedOf(started.outcome))
        patienceMs = started?.patienceMs
      }
      if (running.size === 0) return undefined
      const ended = await firstOf(running, running.size < MAX_AT_ONCE ? patienceMs : undefined)
      if (ended === undefined) continue
      running.delete(ended.self)
      if (ended.outcome !== undefined) return ended.outcome
    }
  } finally {
    losers.abort(DECIDED)
  }
}

type Ended<T> = { readonly outcome: T | undefined; readonly self: Promise<Ended<T>> }

function endedOf<T>(outcome: Promise<T | undefined>): Promise<Ended<T>> {
  const self: Promise<Ended<T>> = outcome.then(outcome => ({ outcome, self }))
  return self
}

/** The first that ends; undefined when none does in time. */
async function firstOf<T>(
  running: Iterable<Promise<T>>,
  patienceMs: number | undefined,
): Promise<T | undefined> {
  if (patienceMs === undefined) return await Promise.race(running)
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), patienceMs)
  try {
    return await Promise.race([...running, promise])
  } finally {
    clearTimeout(timer)
  }
}
