/** Time as a parameter, so that tests can hold it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds of a clock that never goes back; only differences mean something. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    // Loaded when something waits: it costs 3 ms of a CNI plugin's start, and most of their calls never wait.
    const { setTimeout } = await import('node:timers/promises')
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal })
  },
}
