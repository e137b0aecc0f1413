import type { HttpAnswer } from '#runtime/http-server.ts'

/** One part of the agent that must be ready: undefined when it is, else why not. */
export type ReadinessCheck = { readonly part: string; readonly whyNot: () => string | undefined }

/** `/readyz`: 200 when every part is ready, else 503 with a line for each that is not. */
export const readinessRoute = (checks: readonly ReadinessCheck[]) => (): HttpAnswer => {
  const reasons = checks.flatMap(({ part, whyNot }) => {
    const reason = whyNot()
    return reason === undefined ? [] : [`${part}: ${reason}\n`]
  })
  return reasons.length === 0
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: reasons.join('') }
}
