import { describeError } from '#runtime/error.ts'
import type { PartName } from '../parts/part.ts'
import type { DifferenceView, DiffPartView, DiffView } from './types.ts'

/** A part that can tell in what the kernel differs from what it should have written. */
export type Differing = {
  readonly name: PartName
  /** @throws {Error} the kernel could not be read. */
  readonly differences: (signal: AbortSignal) => Promise<readonly DifferenceView[]>
}

/** How long all parts may take together, milliseconds: the server gives up an answer after 5 s. */
const TIMEOUT_MS = 4_500

/** Of each part; what one cannot tell does not keep the others from it. */
export async function diffView(parts: readonly Differing[], stop: AbortSignal): Promise<DiffView> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT_MS)])
  return Promise.all(parts.map(part => partView(part, signal)))
}

async function partView(
  { name, differences }: Differing,
  signal: AbortSignal,
): Promise<DiffPartView> {
  try {
    return { part: name, differences: await differences(signal) }
  } catch (error) {
    const why = signal.aborted ? `not done within ${TIMEOUT_MS / 1_000} s` : describeError(error)
    return { part: name, unknown: why, differences: [] }
  }
}
