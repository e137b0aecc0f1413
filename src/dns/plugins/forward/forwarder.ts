import type { Clock } from '#runtime/clock.ts'
import type { Query, Reply } from '../../message.ts'
import { isInZone } from '../../name.ts'
import { Flight } from './flight.ts'
import type { ForwardMetrics } from './forward-metrics.ts'
import type { ForwardOptions } from './options.ts'
import { tryOrder } from './policy.ts'
import { TimerWheel } from './timer-wheel.ts'
import { Upstream } from './upstream.ts'

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
  readonly #wheel: TimerWheel
  readonly #inFlight = new Map<string, Flight>()
  #round = 0

  constructor(options: ForwardOptions, surroundings: Surroundings) {
    this.options = options
    this.#surroundings = surroundings
    const { clock, metrics } = surroundings
    this.#wheel = new TimerWheel(() => clock.monotonic())
    const around = { clock, wheel: this.#wheel, metricsOf: (to: string) => metrics.of(to) }
    this.#upstreams = options.upstreams.map(server => new Upstream(server, options, around))
  }

  /** Is the name (lower case) this directive's business? */
  matches(name: string): boolean {
    const { from, except } = this.options
    return isInZone(name, from) && !except.some(zone => isInZone(name, zone))
  }

  /**
   * Asks the servers. Equal questions at the same time are asked once: many IDs open for one question would be as many
   * chances for a forged answer (CVE-2023-30464).
   * Rejects with {@link ForwardError} when no server answered.
   * @throws {WireError} the question has no octets.
   */
  ask(query: Query): Promise<Reply> {
    const key = questionKey(query)
    return (this.#inFlight.get(key) ?? this.#start(key, query)).reply
  }

  close(): void {
    for (const upstream of this.#upstreams) upstream.close()
    for (const flight of this.#inFlight.values()) flight.cancel('the server stops')
    this.#wheel.stop()
  }

  #start(key: string, query: Query): Flight {
    const { policy, failover, maxAttempts } = this.options
    const random = this.#surroundings.random
    const order = tryOrder(this.#upstreams, policy, { round: this.#round++, random })
    const flight = new Flight({
      query,
      pick: attempt => this.#pick(order, attempt),
      failover,
      servers: order.length,
      maxAttempts,
      wheel: this.#wheel,
      onEnd: () => this.#inFlight.delete(key),
    })
    this.#inFlight.set(key, flight)
    flight.start()
    return flight
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

/** Questions with the same key have the same answer. Without EDNS options, nearly always, it is put together from what is there. */
function questionKey(query: Query): string {
  const { question, opcode, edns, transport } = query
  const { recursionDesired, checkingDisabled, authenticData } = query
  const flags = `${recursionDesired ? 'R' : ''}${checkingDisabled ? 'C' : ''}${authenticData ? 'A' : ''}`
  const plain = `${question.name} ${question.type} ${question.class} ${opcode} ${transport} ${flags}`
  if (edns === undefined) return plain
  const options = edns.options.map(
    ({ code, data }) => `${code}=${Buffer.from(data).toString('hex')}`,
  )
  return `${plain} ${edns.udpSize} ${edns.dnssecOk} ${options.join(' ')}`
}
