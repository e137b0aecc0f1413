import { describeError } from '#runtime/error.ts'
import type { Query, Reply } from '../../message.ts'
import { Hedge, type Try } from './hedge.ts'
import type { Due, Place, TimerWheel } from './timer-wheel.ts'
import type { Upstream } from './upstream.ts'
import { type Asked, ForwardError, toAsk } from './upstream-message.ts'

/** How long a question may take with all its tries, milliseconds. */
const QUESTION_TIMEOUT_MS = 5000

const ALL_DOWN = 'all servers are down'

type Parts = {
  readonly query: Query
  /** The server for try number `attempt`, from 0 on; undefined: there is none. */
  readonly pick: (attempt: number) => Upstream | undefined
  /** Answers of these rcodes are not wanted while there are servers, of which there are so many. */
  readonly failover: ReadonlySet<string>
  readonly servers: number
  readonly maxAttempts: number
  readonly wheel: TimerWheel
  readonly onEnd: () => void
}

/** One question, tried until a server has answered it as wanted. */
export class Flight implements Due {
  /** Rejects with {@link ForwardError} when no server answered. */
  readonly reply: Promise<Reply>
  readonly #parts: Parts
  readonly #asked: Asked
  readonly #hedge: Hedge<Reply>
  readonly #limit: Place
  readonly #settle: PromiseWithResolvers<Reply>
  #attempt = 0
  #unwanted: Reply | undefined
  #failure: string | undefined

  /** @throws {WireError} the question has no octets. */
  constructor(parts: Parts) {
    const { query, wheel } = parts
    this.#parts = parts
    this.#asked = toAsk(query)
    this.#settle = Promise.withResolvers()
    this.reply = this.#settle.promise
    const onDecided = (wanted: Reply | undefined) => this.#decide(wanted)
    this.#hedge = new Hedge({ next: onEnd => this.#next(onEnd), onDecided, wheel })
    this.#limit = wheel.add(this, QUESTION_TIMEOUT_MS)
  }

  start(): void {
    this.#hedge.start()
  }

  onDue(): void {
    this.cancel('the time is over')
  }

  cancel(why: string): void {
    this.#hedge.cancel()
    this.#failure ??= why
    this.#decide(undefined)
  }

  #next(onEnd: (outcome: Reply | undefined) => void): Try | undefined {
    const { pick, servers, maxAttempts } = this.#parts
    // When a server has answered, though not as wanted, each is asked once.
    const isEnough = this.#unwanted !== undefined && this.#attempt >= servers
    if (isEnough || this.#attempt >= maxAttempts) return undefined
    const upstream = pick(this.#attempt++)
    if (upstream === undefined) return undefined
    const exchange = upstream.ask(this.#asked, {
      onAnswer: reply => onEnd(this.#wanted(reply)),
      onFailure: error => {
        upstream.suspect()
        this.#failure = `${upstream.name}: ${describeError(error)}`
        onEnd(undefined)
      },
    })
    return {
      patienceMs: upstream.patienceMs,
      cancel: () => {
        exchange.cancel()
        // The probe tells a slow server from a silent one.
        upstream.suspect()
      },
    }
  }

  #wanted(reply: Reply): Reply | undefined {
    if (!this.#parts.failover.has(reply.rcode)) return reply
    this.#unwanted = reply
    return undefined
  }

  #decide(wanted: Reply | undefined): void {
    const { wheel, onEnd } = this.#parts
    wheel.remove(this, this.#limit)
    onEnd()
    const reply = wanted ?? this.#unwanted
    if (reply !== undefined) this.#settle.resolve(reply)
    else this.#settle.reject(new ForwardError(`no server answered: ${this.#failure ?? ALL_DOWN}`))
  }
}
