import type { Logger } from '#runtime/log.ts'

/** Tells of each trouble once, for as long as it lasts, and of its end. */
export class TroubleLog {
  readonly #log: Logger
  #known: ReadonlySet<string> = new Set()

  constructor(log: Logger) {
    this.#log = log
  }

  /** All troubles that there are now. */
  report(troubles: readonly string[]): void {
    const current = new Set(troubles)
    for (const trouble of current.difference(this.#known)) this.#log.warn(trouble)
    for (const trouble of this.#known.difference(current)) this.#log.info(`no longer: ${trouble}`)
    this.#known = current
  }
}
