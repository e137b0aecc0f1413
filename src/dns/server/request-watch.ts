import type { Closable, Connections } from './connections.ts'
import { Deadline } from './deadline.ts'
import type { StreamLimits } from './listener.ts'

export type HttpServing = { readonly limits: StreamLimits; readonly connections: Connections }

type Events = { once(event: 'end' | 'close', listener: () => void): unknown }

/** A request and what belongs to it. */
type WatchedRequest = {
  readonly request: Events
  readonly response: Events
  /** Resolves to the octets of the answer when it was handed over; never rejects. */
  readonly answered: Promise<number>
  /** Ends it when it takes too long. */
  readonly cut: () => void
}

/**
 * The requests of one HTTP connection. The connection is cut when none comes for too long; each request has its time to come whole, and
 * its answer to be read. What lies in between is the server's own time.
 */
export class RequestWatch {
  readonly #connection: Closable
  readonly #serving: HttpServing
  readonly #deadline: Deadline
  #open = 0
  #unsentOctets = 0
  #isGone = false

  constructor(connection: Closable, serving: HttpServing) {
    this.#connection = connection
    this.#serving = serving
    this.#deadline = new Deadline(connection)
    this.#wait(serving.limits.readMs)
  }

  /** Requests that are not over. */
  get open(): number {
    return this.#open
  }

  watch({ request, response, answered, cut }: WatchedRequest): void {
    const { limits, connections } = this.#serving
    const deadline = new Deadline({ destroy: cut })
    let answerOctets: number | undefined
    let isClosed = false
    let sent: (() => void) | undefined
    this.#begun()
    deadline.set(limits.readMs)
    request.once('end', () => {
      if (answerOctets === undefined) deadline.clear()
    })
    response.once('close', () => {
      isClosed = true
      deadline.clear()
      sent?.()
      this.#ended(answerOctets ?? 0)
    })
    void answered.then(octets => {
      if (isClosed) return
      answerOctets = octets
      deadline.set(limits.writeMs)
      this.#unsentOctets += octets
      sent = connections.unsent(this.#connection, octets, this.#unsentOctets)
    })
  }

  /** The connection is closed. */
  gone(): void {
    this.#isGone = true
    this.#deadline.clear()
    this.#serving.connections.busy(this.#connection)
  }

  #begun(): void {
    this.#open++
    this.#deadline.clear()
    this.#serving.connections.busy(this.#connection)
  }

  #ended(octets: number): void {
    this.#open--
    this.#unsentOctets -= octets
    if (this.#open === 0) this.#wait(this.#serving.limits.idleMs)
  }

  #wait(ms: number): void {
    if (this.#isGone) return
    this.#deadline.set(ms)
    this.#serving.connections.idle(this.#connection)
  }
}
