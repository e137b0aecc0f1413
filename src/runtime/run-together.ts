import { once } from 'node:events'
import { isAbort } from './error.ts'

/** Runs until the signal is aborted, then returns. */
export type Part = (signal: AbortSignal) => Promise<void>

/**
 * Runs parts side by side until all have returned. When one fails the others are stopped, and its error is thrown once they
 * have. What a part throws because it was stopped is no error.
 */
export async function runTogether(parts: readonly Part[], stop: AbortSignal): Promise<void> {
  const failure = new AbortController()
  const signal = AbortSignal.any([stop, failure.signal])
  const failures: unknown[] = []
  await Promise.all(
    parts.map(async part => {
      try {
        await part(signal)
      } catch (error) {
        if (signal.aborted && isAbort(error)) return
        failures.push(error)
        failure.abort()
      }
    }),
  )
  if (failures.length > 0) throw failures[0]
}

/** Resolves when the signal is aborted, also when it was before. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
