import { AnswerReader } from '#dns/fast/answer-reader.ts'
import { FastPath } from '#dns/fast/fast-path.ts'
import { RawQuestion } from '#dns/fast/raw-question.ts'
import { MAX_ANSWER_OCTETS } from '#dns/fast/table-memory.ts'
import type { Message } from '#dns/message.ts'
import type { Plugin } from '#dns/plugin.ts'
import { chain } from '#dns/plugin.ts'
import { type Answering, answerPacket } from '#dns/server/answer.ts'
import { InFlight } from '#dns/server/in-flight.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import type { IpAddress } from '#net/ip.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'

const LISTENER = 1

/** A server block with a fast path whose worker is the test: no threads, no sockets. */
export class FastBlock {
  readonly metrics: Metrics
  readonly path: FastPath
  readonly crashes: unknown[] = []
  readonly #reader: AnswerReader
  readonly #question: RawQuestion
  readonly #answering: Answering
  readonly #clockMs: () => number
  readonly #counters: ReturnType<FastPath['addWorker']>['counters']

  /** @param plugins outer ones first; the last must answer. */
  constructor(
    plugins: readonly Plugin[],
    clockMs: () => number,
    { metrics = createMetrics(), maxOctets = 256 * 1024 } = {},
  ) {
    this.metrics = metrics
    this.#clockMs = clockMs
    this.path = new FastPath({ maxOctets, metrics, clockMs })
    this.#reader = new AnswerReader(this.path.memory, 1)
    this.#question = new RawQuestion(this.path.seed)
    this.#counters = this.path.addWorker(() => undefined).counters
    const handler = chain(plugins, () => undefined)
    const fastPath = plugins.every(plugin => plugin.fastPath === true)
    this.#answering = {
      server: 'dns://:53',
      takesAnyClass: true,
      route: () => ({ zone: '.', block: { view: '', plugins, handler, fastPath } }),
      inFlight: new InFlight(100),
      onDropped: () => undefined,
      onCrash: error => void this.crashes.push(error),
    }
  }

  /** The answer that a worker gives to this packet; undefined: none. */
  fast(packet: Uint8Array, family: 4 | 6 = 4): Uint8Array | undefined {
    // As in a worker, packet and answer lie somewhere in a larger memory.
    const memory = new Uint8Array(MAX_ANSWER_OCTETS + 512 + 64)
    const start = 24
    const to = 512 + 64
    memory.set(packet, start)
    if (!this.#question.read(memory, start, packet.length, LISTENER)) return undefined
    const view = { packet: memory, start, isIpv4: family === 4 }
    const target = { out: memory, outWords: new Int32Array(memory.buffer), to }
    const length = this.#reader.answer(this.#question, view, target, this.#clockMs())
    if (length === 0) return undefined
    this.#counters.used(this.#reader.slot, family === 4)
    this.#counters.spent(0.01, 1)
    return memory.slice(to, to + length)
  }

  /** The answer of the chain, which may be remembered. */
  slow(packet: Uint8Array, family: 4 | 6 = 4): Promise<Uint8Array | undefined> {
    this.path.settle(packet, LISTENER, family === 4)
    const address = (family === 4 ? '192.0.2.1' : '2001:db8::1') as IpAddress
    return answerPacket(
      packet,
      {
        transport: 'udp',
        client: { address, port: 4000 },
        server: { address, port: 53 },
        onAnswered: answered => this.path.remember(packet, LISTENER, answered),
      },
      this.#answering,
    )
  }

  /** Asks until the answer is ready, as far as it may be: a name must be asked twice. */
  async warm(packet: Uint8Array): Promise<void> {
    await this.slow(packet)
    await this.slow(packet)
  }
}

/** The octets of a query. */
export const packetOf = (parts: Partial<Message>): Uint8Array =>
  encodeMessage({
    id: 4711,
    opcode: 'QUERY',
    isResponse: false,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 'NOERROR',
    question: { name: 'example.org.', type: 'A', class: 'IN' },
    answers: [],
    authorities: [],
    additionals: [],
    edns: undefined,
    ...parts,
  })
