import { randomInt } from 'node:crypto'
import type { Clock } from '#runtime/clock.ts'
import type { Query, Reply, Transport } from '../../message.ts'
import type { UpstreamMetrics } from './forward-metrics.ts'
import { HealthProbe } from './health-probe.ts'
import type { ForwardOptions } from './options.ts'
import { Patience } from './patience.ts'
import { type Streams, streamsTo } from './streams.ts'
import { formatUpstream, type UpstreamServer } from './targets.ts'
import { type Accept, exchangeUdp } from './udp-exchange.ts'
import { encodeQuestion, isOversize, readAnswer } from './upstream-message.ts'

/** One server: asks it, and knows whether it is up. */
export class Upstream {
  readonly name: string
  readonly #server: UpstreamServer
  readonly #options: ForwardOptions
  readonly #clock: Clock
  readonly #metrics: UpstreamMetrics
  readonly #streams: Streams
  readonly #patience = new Patience()
  readonly #probe: HealthProbe

  constructor(
    server: UpstreamServer,
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
    this.#streams = streamsTo(server, options, reused => this.#metrics.connected('tcp', reused))
    this.#probe = new HealthProbe({
      ...options,
      clock,
      ask: (packet, accept, signal) => this.#send(this.#transport('udp'), packet, accept, signal),
      onFailure: () => this.#metrics.probeFailed(),
    })
  }

  /** Did more probes in a row fail than may? */
  get isDown(): boolean {
    return this.#probe.isDown
  }

  /** Is it being probed? */
  get isSuspect(): boolean {
    return this.#probe.isRunning
  }

  /** How long it is waited for before another try starts beside. */
  get patienceMs(): number {
    return this.#patience.ms
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
    const first = this.#transport(query.transport)
    const reply = await this.#askBy(first, query, signal)
    const isCut = reply.truncated && first === 'udp' && this.#options.transport === 'udp-first'
    return isCut ? this.#askBy('tcp', query, signal) : reply
  }

  close(): void {
    this.#probe.stop()
    this.#streams.close()
  }

  #transport(ofClient: Transport): Transport {
    if (this.#server.protocol !== 'dns') return 'tcp'
    const { transport } = this.#options
    return transport === 'client' ? ofClient : transport === 'tcp' ? 'tcp' : 'udp'
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
    const tookMs = this.#clock.monotonic() - startMs
    this.#patience.observe(tookMs)
    this.#metrics.answered(reply.rcode, tookMs / 1000)
    return reply
  }

  #send<T>(
    transport: Transport,
    packet: Uint8Array,
    accept: Accept<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return transport === 'udp'
      ? exchangeUdp({ ...this.#server, ...this.#options }, packet, accept, signal)
      : this.#streams.exchange(packet, accept, signal)
  }
}
