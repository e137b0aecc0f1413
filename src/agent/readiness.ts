import type { HttpAnswer } from '#runtime/http-server.ts'
import type { PartName } from './parts/part.ts'

/** One part of the agent that must be ready: undefined when it is, else why not. */
export type ReadinessCheck = {
  readonly part: PartName | 'cluster'
  readonly whyNot: () => string | undefined
}

/** `/readyz`: 200 when every part is ready, else 503 with a line for each that is not. */
export const readinessRoute = (checks: readonly ReadinessCheck[]) => (): HttpAnswer => {
  const reasons = reasonsOf(checks)
  return reasons.length === 0
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: reasons.map(reason => `${reason}\n`).join('') }
}

/** Why not every part is ready, in one line (`PART: reason; …`); undefined when all are. */
export const reasonInLine = (checks: readonly ReadinessCheck[]): string | undefined =>
  reasonsOf(checks).join('; ') || undefined

const reasonsOf = (checks: readonly ReadinessCheck[]): readonly string[] =>
  checks.flatMap(({ part, whyNot }) => {
    const reason = whyNot()
    return reason === undefined ? [] : [`${part}: ${reason}`]
  })
