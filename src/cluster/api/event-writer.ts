import { Backoff } from '#runtime/backoff.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import { untilAborted } from '#runtime/run-together.ts'
import { version } from '#runtime/version.ts'
import type { ClusterEvent } from '../events.ts'
import { ApiError } from './api-error.ts'
import { ApiClient, describeFailure, type RequestOutcome } from './client.ts'
import { eventObject, eventPath } from './event-object.ts'
import { type ApiConnection, findServer } from './server.ts'

export type EventWriterOptions = {
  readonly nodeName: string
  readonly log: Logger
  readonly onRequest?: ((outcome: RequestOutcome) => void) | undefined
  readonly clock?: Clock | undefined
}

/** Events that wait; more are dropped, the newest first. */
const MAX_WAITING = 100
/** Between two Events: a thousand Services in trouble must not be a thousand requests. */
const PAUSE_MS = 200
const MAX_TRIES = 4
const REQUEST_MS = 5_000
/** What is still waiting when the process is to end gets this long. */
const FLUSH_MS = 1_000

/**
 * Writes Events to the API server, one at a time and slowly. Who reports one never waits for it; what cannot be written is
 * dropped and told in the log.
 */
export class EventWriter implements Disposable {
  readonly #client: Pick<ApiClient, 'post'> & Disposable
  readonly #options: EventWriterOptions
  readonly #waiting: { readonly event: ClusterEvent; readonly atMs: number }[] = []
  #more = Promise.withResolvers<void>()
  #count = 0
  #dropped = 0

  /** Use {@link openEventWriter}. */
  constructor(client: Pick<ApiClient, 'post'> & Disposable, options: EventWriterOptions) {
    this.#client = client
    this.#options = options
  }

  /** Takes an Event to be written; it happened now. */
  record(event: ClusterEvent): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#dropped++
      return
    }
    this.#waiting.push({ event, atMs: this.#clock.now() })
    this.#more.resolve()
  }

  /** Writes until the signal is aborted, then what waits, for a second at most. */
  async run(signal: AbortSignal): Promise<void> {
    const end = new AbortController()
    const timer = untilAborted(signal).then(() => setTimeout(() => end.abort(), FLUSH_MS).unref())
    signal.addEventListener('abort', () => this.#more.resolve(), { once: true })
    while (!signal.aborted) {
      await this.#more.promise
      this.#more = Promise.withResolvers()
      await this.#writeAll(signal, end.signal)
    }
    await this.#writeAll(signal, end.signal)
    clearTimeout(await timer)
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
  }

  get #clock(): Clock {
    return this.#options.clock ?? systemClock
  }

  /** @param hurry ends the pauses. @param end ends the requests too. */
  async #writeAll(hurry: AbortSignal, end: AbortSignal): Promise<void> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next === undefined || end.aborted) break
      await this.#write(next.event, next.atMs, end)
      await this.#clock.sleep(PAUSE_MS, hurry).catch(() => {})
    }
    if (this.#dropped === 0) return
    this.#options.log.warn({ dropped: this.#dropped }, 'too many Events at a time')
    this.#dropped = 0
  }

  async #write(event: ClusterEvent, atMs: number, signal: AbortSignal): Promise<void> {
    const { nodeName, log } = this.#options
    const object = eventObject(event, { nodeName, atMs, count: this.#count++ })
    const backoff = new Backoff({ initialMs: 1_000, maxMs: 10_000 })
    for (let tries = 1; ; tries++) {
      try {
        await this.#post(eventPath(event.regarding), JSON.stringify(object), signal)
        return
      } catch (error) {
        if (tries === MAX_TRIES || !isWorthATry(error) || signal.aborted) {
          const { reason, regarding } = event
          const why = describeFailure(error)
          log.warn({ event: reason, name: regarding.name, reason: why }, 'cannot write Event')
          return
        }
        await this.#clock.sleep(backoff.next(), signal).catch(() => {})
      }
    }
  }

  #post(path: string, json: string, signal: AbortSignal): Promise<void> {
    const limits = { answerMs: REQUEST_MS, silenceMs: REQUEST_MS, bodyMs: REQUEST_MS }
    return this.#client.post({ path, query: {}, json, signal, ...limits })
  }
}

/** Only a server that is not there or has too much to do may think otherwise later. */
function isWorthATry(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  const { status } = error
  return status === undefined || status === 429 || status >= 500
}

/**
 * A writer of Events to the server of a connection, with a connection of its own.
 * @throws {ConfigError} the connection cannot be made sense of.
 */
export async function openEventWriter(
  connection: ApiConnection,
  options: EventWriterOptions,
): Promise<EventWriter> {
  const clock = options.clock ?? systemClock
  const server = await findServer(connection, clock)
  const userAgent = `nodeplane/${version}`
  return new EventWriter(
    new ApiClient(server, { userAgent, clock, onRequest: options.onRequest }),
    options,
  )
}
