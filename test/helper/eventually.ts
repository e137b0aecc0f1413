import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Calls `probe` until it gives something else than undefined or false, and gives that.
 * For what a test has to wait for; the limit only bounds a failure, on a machine that may be ten times too busy.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 30_000,
): Promise<T> {
  const end = performance.now() + limitMs
  let last: unknown
  while (performance.now() < end) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    await sleep(10)
  }
  throw new Error(`waited ${limitMs} ms for ${what}`, { cause: last })
}
