import type { Logger } from '#runtime/log.ts'
import type { Kind } from '../objects.ts'
import { ApiError } from './api-error.ts'
import { describeFailure } from './client.ts'
import { resources } from './resource.ts'

type Trouble = { readonly kinds: Set<Kind>; readonly sinceMs: number; failures: number }

/**
 * Says once that something went wrong and once that it is over, however many kinds meet it and however often it is
 * tried again in between; the tries are counted.
 */
export class TroubleLog {
  readonly #log: Logger
  readonly #now: () => number
  readonly #troubles = new Map<string, Trouble>()

  /** @param now milliseconds of a clock that never goes back. */
  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
  }

  /** A list or watch of this kind failed. */
  failed(kind: Kind, error: unknown): void {
    const { name, message } = troubleOf(kind, error)
    const known = this.#troubles.get(name)
    const trouble = known ?? { kinds: new Set(), sinceMs: this.#now(), failures: 0 }
    trouble.kinds.add(kind)
    trouble.failures++
    this.#troubles.set(name, trouble)
    const fields = { kind, reason: describeFailure(error) }
    if (known === undefined) this.#log.warn(fields, message)
    else this.#log.debug({ ...fields, failures: trouble.failures }, message)
    this.#leaveOthers(kind, name)
  }

  /** This kind is listed and watched again. */
  recovered(kind: Kind): void {
    this.#leaveOthers(kind, undefined)
  }

  #leaveOthers(kind: Kind, current: string | undefined): void {
    for (const [name, trouble] of this.#troubles) {
      if (name === current || !trouble.kinds.delete(kind) || trouble.kinds.size > 0) continue
      this.#troubles.delete(name)
      const { failures, sinceMs } = trouble
      const durationMs = Math.round(this.#now() - sinceMs)
      this.#log.info({ trouble: name, failures, durationMs }, 'API server: trouble is over')
    }
  }
}

/** Troubles with the same name are the same to the log. */
function troubleOf(kind: Kind, error: unknown): { name: string; message: string } {
  const { plural, group } = resources[kind]
  const { failure, status } = error instanceof ApiError ? error : { failure: 'garbage' }
  if (failure === 'garbage') {
    const message = 'API server sent what cannot be read; retrying'
    return { name: `garbage ${plural}`, message }
  }
  switch (status) {
    case undefined:
      return { name: 'connection', message: 'API server lost; the last state keeps serving' }
    case 401:
      return { name: 'unauthorized', message: 'API server refuses our credentials; retrying' }
    case 403: {
      const rule = `apiGroups ["${group}"], resources ["${plural}"], verbs ["list", "watch"]`
      const message = `API server forbids it: the ClusterRole needs ${rule}`
      return { name: `forbidden ${plural}`, message }
    }
    case 404:
      return { name: `missing ${plural}`, message: `API server has no ${plural}; retrying` }
    default:
      return status >= 500 || status === 429
        ? {
            name: 'unavailable',
            message: 'API server is unavailable; the last state keeps serving',
          }
        : { name: `refused ${plural}`, message: `API server refuses ${plural}; retrying` }
  }
}
