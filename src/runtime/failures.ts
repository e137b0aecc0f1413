import { describeError } from './error.ts'

/** What went wrong of work whose steps are all tried. */
export class Failures {
  readonly #signal: AbortSignal
  readonly #errors: unknown[] = []
  readonly #texts: string[] = []

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** What the step gives, or undefined when it failed; once the signal is aborted its error is thrown. */
  async collect<T>(step: () => Promise<T>, where?: string): Promise<T | undefined> {
    try {
      return await step()
    } catch (error) {
      if (this.#signal.aborted) throw error
      this.#errors.push(error)
      const text = describeError(error)
      this.#texts.push(where === undefined ? text : `${where}: ${text}`)
      return undefined
    }
  }

  /** @throws {AggregateError} all that failed, if anything did. */
  throw(): void {
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, this.#texts.join('; '))
  }
}
