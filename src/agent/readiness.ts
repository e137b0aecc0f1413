import type { HttpAnswer } from '#runtime/http-server.ts'
import type { PartName } from './parts/part.ts'

/** One part of the agent that must be ready: undefined when it is, else why not. */
export type ReadinessCheck = {
  readonly part: PartName | 'cluster'
  readonly whyNot: () => string | undefined
  /** What else there is to say of it, for people. */
  readonly note?: () => string | undefined
}

/**
 * `/readyz`: 200 when every part is ready, else 503 with a line for each that is not. `?verbose` has a line for every part, as the
 * API server's.
 */
export const readinessRoute =
  (checks: readonly ReadinessCheck[]) =>
  (query: URLSearchParams): HttpAnswer => {
    const reasons = reasonsOf(checks)
    const status = reasons.length === 0 ? 200 : 503
    if (query.has('verbose')) return { status, body: checks.map(line).join('') }
    const body = status === 200 ? 'ok\n' : reasons.map(reason => `${reason}\n`).join('')
    return { status, body }
  }

/** Why not every part is ready, in one line (`PART: reason; …`); undefined when all are. */
export const reasonInLine = (checks: readonly ReadinessCheck[]): string | undefined =>
  reasonsOf(checks).join('; ') || undefined

const reasonsOf = (checks: readonly ReadinessCheck[]): readonly string[] =>
  checks.flatMap(({ part, whyNot }) => {
    const reason = whyNot()
    return reason === undefined ? [] : [`${part}: ${reason}`]
  })

function line({ part, whyNot, note }: ReadinessCheck): string {
  const reason = whyNot()
  if (reason !== undefined) return `[-]${part}: ${reason}\n`
  const more = note?.()
  return `[+]${part} ok${more === undefined ? '' : ` (${more})`}\n`
}

/** `/livez`: 503 when the process cannot go on by itself and has to be started anew. */
export const livenessRoute = (stuck: () => readonly string[]) => (): HttpAnswer => {
  const parts = stuck()
  return parts.length === 0
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: parts.map(part => `${part}: its probe hangs\n`).join('') }
}
