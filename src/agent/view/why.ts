import type { WhyView } from './types.ts'

/** Runs `nodeplane why` for a target, and gives what it says. */
export type AskWhy = (target: string, signal: AbortSignal) => Promise<string>

/** What can be the name of something, and no option. */
const TARGET = /^[a-zA-Z0-9[][a-zA-Z0-9./:[\]_-]{0,300}$/
/** A walk takes a second or two. */
const LIMIT_MS = 20_000

/** One walk at a time: each is a process. */
export class WhyDesk {
  readonly #ask: AskWhy
  #current: { readonly target: string; readonly answer: Promise<string> } | undefined

  constructor(ask: AskWhy) {
    this.#ask = ask
  }

  /** undefined: that is no target. Who asks the same gets the same answer; who asks something else meanwhile is told to wait. */
  async answer(target: string, stop: AbortSignal): Promise<WhyView | undefined> {
    if (!TARGET.test(target)) return undefined
    if (this.#current === undefined) {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(LIMIT_MS)])
      const answer = this.#ask(target, signal).finally(() => {
        this.#current = undefined
      })
      this.#current = { target, answer }
    }
    if (this.#current.target !== target) return { target, isBusy: true, text: '' }
    return { target, isBusy: false, text: await this.#current.answer }
  }
}
