import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Query, Reply } from '../../message.ts'
import { isInZone } from '../../name.ts'
import { untilAborted } from '../../until-aborted.ts'
import type { ForwardMetrics } from './forward-metrics.ts'
import { firstWanted } from './hedge.ts'
import type { ForwardOptions } from './options.ts'
import { tryOrder } from './policy.ts'
import { Upstream } from './upstream.ts'
import { ForwardError } from './upstream-message.ts'

/** How long a query may take with all its tries, milliseconds. */
const QUERY_TIMEOUT_MS = 5000

/** What tries came to that was not wanted. */
type Tries = { unwanted?: Reply; failure: string }

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
    const { policy, maxAttempts } = this.options
    const round = this.#round++
    const order = tryOrder(this.#upstreams, policy, { round, random: this.#surroundings.random })
    const tries: Tries = { failure: 'all servers are down' }
    let attempt = 0
    const wanted = await firstWanted(limit => {
      // When a server has answered, though not as wanted, each is asked once.
      const isEnough = tries.unwanted !== undefined && attempt >= order.length
      if (attempt >= maxAttempts || isEnough || signal.aborted) return undefined
      const upstream = this.#pick(order, attempt++)
      if (upstream === undefined) return undefined
      const outcome = this.#askOne(upstream, query, { tries, signal: limit })
      return { outcome, patienceMs: upstream.patienceMs }
    }, signal)
    const reply = wanted ?? tries.unwanted
    if (reply !== undefined) return reply
    throw new ForwardError(`no server answered: ${tries.failure}`)
  }

  /** The answer, if it is wanted; notes what else came. */
  async #askOne(
    upstream: Upstream,
    query: Query,
    { tries, signal }: { readonly tries: Tries; readonly signal: AbortSignal },
  ): Promise<Reply | undefined> {
    try {
      const reply = await upstream.ask(query, signal)
      if (!this.options.failover.has(reply.rcode)) return reply
      tries.unwanted = reply
    } catch (error) {
      // Also when another server was quicker: the probe tells a slow server from a silent one.
      upstream.suspect()
      tries.failure = `${upstream.name}: ${describeError(error)}`
    }
    return undefined
  }

  /** The next server that is up. When all are down the probes may be what is broken: any one is tried then. */
  #pick(order: readonly Upstream[], attempt: number): Upstream | undefined {
    const up = order.filter(({ isDown }) => !isDown)
    // A server that is being probed is waited for only when there is no other.
    const sound = up.filter(({ isSuspect }) => !isSuspect)
    const turns = sound.length > attempt ? sound : up
    if (turns.length > 0) return turns[attempt % turns.length]
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
