import { randomInt } from 'node:crypto'
import type { Clock } from '#runtime/clock.ts'
import type { Query, Reply, Transport } from '../../message.ts'
import type { UpstreamMetrics } from './forward-metrics.ts'
import { HealthProbe } from './health-probe.ts'
import type { ForwardOptions } from './options.ts'
import { formatUpstream, type UpstreamAddress } from './targets.ts'
import { TcpConnections } from './tcp-connections.ts'
import { type Accept, exchangeUdp } from './udp-exchange.ts'
import { encodeQuestion, isOversize, readAnswer } from './upstream-message.ts'

/** One server: asks it, and knows whether it is up. */
export class Upstream {
  readonly name: string
  readonly #server: UpstreamAddress
  readonly #options: ForwardOptions
  readonly #clock: Clock
  readonly #metrics: UpstreamMetrics
  readonly #connections: TcpConnections
  readonly #probe: HealthProbe

  constructor(
    server: UpstreamAddress,
    options: ForwardOptions,
    {
      clock,
      metricsOf,
    }: { readonly clock: Clock; readonly metricsOf: (to: string) => UpstreamMetrics },
  ) {
    this.name = formatUpstream(server)
    this.#server = server
    this.#options = options
    this.#clock = clock
    this.#metrics = metricsOf(this.name)
    this.#connections = new TcpConnections(server, {
      ...options,
      onTaken: reused => this.#metrics.connected('tcp', reused),
    })
    this.#probe = new HealthProbe({
      ...options,
      clock,
      ask: (packet, accept, signal) =>
        this.#send(options.transport === 'tcp' ? 'tcp' : 'udp', packet, accept, signal),
      onFailure: () => this.#metrics.probeFailed(),
    })
  }

  /** Did more probes in a row fail than may? */
  get isDown(): boolean {
    return this.#probe.isDown
  }

  /** Says that asking failed at the transport: probes it until it answers again. */
  suspect(): void {
    this.#probe.start()
  }

  /**
   * Asks. Rejects with an error of the transport, with {@link ForwardError}, or when `readTimeoutMs` is over or the signal
   * is aborted.
   */
  async ask(query: Query, signal: AbortSignal): Promise<Reply> {
    const { transport } = this.#options
    const first = transport === 'client' ? query.transport : transport === 'tcp' ? 'tcp' : 'udp'
    const reply = await this.#askBy(first, query, signal)
    const isCut = reply.truncated && first === 'udp' && transport === 'udp-first'
    return isCut ? this.#askBy('tcp', query, signal) : reply
  }

  close(): void {
    this.#probe.stop()
    this.#connections.close()
  }

  async #askBy(transport: Transport, query: Query, signal: AbortSignal): Promise<Reply> {
    // Unpredictable (RFC 5452 section 9.2), and another one for each question.
    const id = randomInt(0x10000)
    const startMs = this.#clock.monotonic()
    const accept = (packet: Uint8Array): Reply | undefined => {
      const answer = readAnswer(packet, id, query)
      if (answer === undefined || transport === 'tcp' || !isOversize(packet, query)) return answer
      return { ...answer, truncated: true }
    }
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#options.readTimeoutMs)])
    if (transport === 'udp') this.#metrics.connected('udp', false)
    const reply = await this.#send(transport, encodeQuestion(query, id), accept, limit)
    this.#metrics.answered(reply.rcode, (this.#clock.monotonic() - startMs) / 1000)
    return reply
  }

  #send<T>(
    transport: Transport,
    packet: Uint8Array,
    accept: Accept<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return transport === 'udp'
      ? exchangeUdp(this.#server, packet, accept, signal)
      : this.#connections.exchange(packet, accept, signal)
  }
}
