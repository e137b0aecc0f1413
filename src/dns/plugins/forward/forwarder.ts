import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Query, Reply } from '../../message.ts'
import { isInZone } from '../../name.ts'
import type { ForwardMetrics } from './forward-metrics.ts'
import type { ForwardOptions } from './options.ts'
import { tryOrder } from './policy.ts'
import { Upstream } from './upstream.ts'
import { ForwardError } from './upstream-message.ts'

/** How long a query may take with all its tries, milliseconds. */
const QUERY_TIMEOUT_MS = 5000

type Surroundings = {
  readonly clock: Clock
  readonly metrics: ForwardMetrics
  readonly random: () => number
}

/** One `forward` directive at work. */
export class Forwarder {
  readonly options: ForwardOptions
  readonly #surroundings: Surroundings
  readonly #upstreams: readonly Upstream[]
  readonly #inFlight = new Map<string, Promise<Reply>>()
  readonly #stopping = new AbortController()
  #round = 0

  constructor(options: ForwardOptions, surroundings: Surroundings) {
    this.options = options
    this.#surroundings = surroundings
    const { clock, metrics } = surroundings
    this.#upstreams = options.upstreams.map(
      server => new Upstream(server, options, { clock, metricsOf: to => metrics.of(to) }),
    )
  }

  /** Is the name (lower case) this directive's business? */
  matches(name: string): boolean {
    const { from, except } = this.options
    return isInZone(name, from) && !except.some(zone => isInZone(name, zone))
  }

  /**
   * Asks the servers. Equal questions at the same time are asked once: many IDs open for one question would be as many
   * chances for a forged answer (CVE-2023-30464).
   * @throws {ForwardError} no server answered.
   */
  async ask(query: Query, signal: AbortSignal): Promise<Reply> {
    const key = questionKey(query)
    const underWay = this.#inFlight.get(key)
    const flight = underWay ?? this.#start(key, query)
    return untilAborted(flight, signal)
  }

  close(): void {
    this.#stopping.abort()
    for (const upstream of this.#upstreams) upstream.close()
  }

  #start(key: string, query: Query): Promise<Reply> {
    const limit = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(QUERY_TIMEOUT_MS)])
    const flight = this.#try(query, limit).finally(() => this.#inFlight.delete(key))
    this.#inFlight.set(key, flight)
    return flight
  }

  async #try(query: Query, signal: AbortSignal): Promise<Reply> {
    const { policy, maxAttempts, failover } = this.options
    const round = this.#round++
    const order = tryOrder(this.#upstreams, policy, { round, random: this.#surroundings.random })
    let unwanted: Reply | undefined
    let failure = 'all servers are down'
    for (let attempt = 0; attempt < maxAttempts && !signal.aborted; attempt++) {
      const upstream = this.#pick(order, attempt)
      if (upstream === undefined) break
      try {
        const reply = await upstream.ask(query, signal)
        if (!failover.has(reply.rcode)) return reply
        unwanted = reply
        if (attempt + 1 >= order.length) break
      } catch (error) {
        upstream.suspect()
        failure = `${upstream.name}: ${describeError(error)}`
      }
    }
    if (unwanted !== undefined) return unwanted
    throw new ForwardError(`no server answered: ${failure}`)
  }

  /** The next server that is up. When all are down the probes may be what is broken: any one is tried then. */
  #pick(order: readonly Upstream[], attempt: number): Upstream | undefined {
    for (let at = 0; at < order.length; at++) {
      const upstream = order[(attempt + at) % order.length]
      if (upstream?.isDown === false) return upstream
    }
    const { metrics, random } = this.#surroundings
    metrics.allDown()
    return this.options.failfast ? undefined : order[Math.floor(random() * order.length)]
  }
}

/** Questions with the same key have the same answer. */
function questionKey(query: Query): string {
  const { question, opcode, edns, transport } = query
  const { recursionDesired, checkingDisabled, authenticData } = query
  const options = edns?.options.map(
    ({ code, data }) => `${code}=${Buffer.from(data).toString('hex')}`,
  )
  return JSON.stringify([
    [question.name, question.type, question.class, opcode, transport],
    [recursionDesired, checkingDisabled, authenticData],
    edns && [edns.udpSize, edns.dnssecOk, options],
  ])
}

/** The promise, for one who waits no longer than until the signal is aborted. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
