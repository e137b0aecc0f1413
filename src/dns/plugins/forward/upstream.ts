import type { Clock } from '#runtime/clock.ts'
import type { Reply, Transport } from '../../message.ts'
import type { Asking, Exchange } from './exchange.ts'
import type { UpstreamMetrics } from './forward-metrics.ts'
import { HealthProbe } from './health-probe.ts'
import type { ForwardOptions } from './options.ts'
import { Patience } from './patience.ts'
import { exchangeByStream } from './stream-exchange.ts'
import { type Streams, streamsTo } from './streams.ts'
import { formatUpstream, type UpstreamServer } from './targets.ts'
import type { TimerWheel } from './timer-wheel.ts'
import { UdpPorts } from './udp-ports.ts'
import { type Asked, readAnswer } from './upstream-message.ts'

type Surroundings = {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly metricsOf: (to: string) => UpstreamMetrics
}

/** Who is told of an answer; as {@link Asking} has it. */
export type Told = Pick<Asking<Reply>, 'onAnswer' | 'onFailure'>

/** One server: asks it, and knows whether it is up. */
export class Upstream {
  readonly name: string
  readonly #server: UpstreamServer
  readonly #options: ForwardOptions
  readonly #clock: Clock
  readonly #metrics: UpstreamMetrics
  readonly #ports: UdpPorts
  readonly #streams: Streams
  readonly #patience = new Patience()
  readonly #probe: HealthProbe

  constructor(
    server: UpstreamServer,
    options: ForwardOptions,
    { clock, wheel, metricsOf }: Surroundings,
  ) {
    this.name = formatUpstream(server)
    this.#server = server
    this.#options = options
    this.#clock = clock
    this.#metrics = metricsOf(this.name)
    this.#ports = new UdpPorts({
      peer: { ...server, sourceAddress: options.sourceAddress },
      wheel,
      onTaken: reused => this.#metrics.connected('udp', reused),
    })
    this.#streams = streamsTo(server, options, reused => this.#metrics.connected('tcp', reused))
    this.#probe = new HealthProbe({
      ...options,
      clock,
      ask: asking => this.#exchange(this.#transport('udp'), asking),
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

  /** Asks. It fails with an error of the transport, with {@link ForwardError}, or when `readTimeoutMs` is over. */
  ask(asked: Asked, { onAnswer, onFailure }: Told): Exchange {
    const first = this.#transport(asked.query.transport)
    let current = this.#askBy(first, asked, {
      onFailure,
      onAnswer: reply => {
        const isCut = reply.truncated && first === 'udp' && this.#options.transport === 'udp-first'
        if (isCut) current = this.#askBy('tcp', asked, { onAnswer, onFailure })
        else onAnswer(reply)
      },
    })
    return { cancel: () => current.cancel() }
  }

  close(): void {
    this.#probe.stop()
    this.#ports.close()
    this.#streams.close()
  }

  #transport(ofClient: Transport): Transport {
    if (this.#server.protocol !== 'dns') return 'tcp'
    const { transport } = this.#options
    return transport === 'client' ? ofClient : transport === 'tcp' ? 'tcp' : 'udp'
  }

  #askBy(transport: Transport, asked: Asked, { onAnswer, onFailure }: Told): Exchange {
    const startMs = this.#clock.monotonic()
    return this.#exchange(transport, {
      packet: asked.packet,
      accept: packet => readAnswer(packet, asked, transport),
      timeoutMs: this.#options.readTimeoutMs,
      onAnswer: reply => {
        const tookMs = this.#clock.monotonic() - startMs
        this.#patience.observe(tookMs)
        this.#metrics.answered(reply.rcode, tookMs / 1000)
        onAnswer(reply)
      },
      onFailure,
    })
  }

  #exchange<T>(transport: Transport, asking: Asking<T>): Exchange {
    return transport === 'udp'
      ? this.#ports.exchange(asking)
      : exchangeByStream(this.#streams, asking)
  }
}
