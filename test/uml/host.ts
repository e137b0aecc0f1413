import { Worker } from 'node:worker_threads'
import type { TestNamespace } from '../helper/namespace.ts'

export type Target = {
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
}

/** What a {@link Host} has its thread do. */
export type Order =
  | { readonly do: 'serve'; readonly name: string; readonly port: number }
  | { readonly do: 'ask'; readonly target: Target; readonly count: number }
  | { readonly do: 'hold'; readonly id: number; readonly target: Target }
  | { readonly do: 'say'; readonly id: number; readonly text: string }
  | { readonly do: 'drop'; readonly id: number }

export type Answer = { readonly number: number; readonly value?: unknown; readonly error?: string }

/** A TCP connection that stays open. */
export type HeldConnection = {
  /** `NAME SOURCE` of its server. */
  readonly answer: string
  /** What the server says when it is told this: the same. */
  say(text: string): Promise<string>
  drop(): Promise<void>
}

/** Clients and servers in a namespace, in a thread of this process: in user-mode Linux a process takes a second to start. */
export class Host implements AsyncDisposable {
  readonly #thread: Worker
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #number = 0

  constructor(namespace: TestNamespace) {
    const script = new URL('./host-thread.ts', import.meta.url)
    this.#thread = new Worker(script, { workerData: namespace.path })
    this.#thread.on('message', ({ number, value, error }: Answer) => {
      const waiting = this.#waiting.get(number)
      this.#waiting.delete(number)
      if (error === undefined) waiting?.resolve(value)
      else waiting?.reject(new Error(error))
    })
  }

  /** Answers `NAME SOURCE` by TCP and UDP, both families. */
  async serve(name: string, port: number): Promise<void> {
    await this.#order({ do: 'serve', name, port })
  }

  /** Asks so many times, and gives the different answers or error codes, sorted. */
  async ask(target: Target, count = 8): Promise<readonly string[]> {
    const outcomes = (await this.#order({ do: 'ask', target, count })) as readonly string[]
    return [...new Set(outcomes)].sort()
  }

  async hold(target: Omit<Target, 'protocol'>): Promise<HeldConnection> {
    const id = this.#number
    const whole: Target = { protocol: 'tcp', ...target }
    const answer = (await this.#order({ do: 'hold', id, target: whole })) as string
    return {
      answer,
      say: async text => (await this.#order({ do: 'say', id, text })) as string,
      drop: async () => void (await this.#order({ do: 'drop', id })),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate()
  }

  #order(order: Order): Promise<unknown> {
    const number = this.#number++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(number, waiting)
    this.#thread.postMessage({ number, order })
    return waiting.promise
  }
}
