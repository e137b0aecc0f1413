import { randomInt } from 'node:crypto'
import type { Clock } from '#runtime/clock.ts'
import { reply } from '../../message.ts'
import { encodeMessage } from '../../wire/encode.ts'
import type { HealthOptions } from './options.ts'
import type { Accept } from './udp-exchange.ts'

/** How long a probe waits for its answer, milliseconds. */
const PROBE_TIMEOUT_MS = 1000

type Options = {
  readonly health: HealthOptions
  readonly maxFails: number
  readonly clock: Clock
  /** Sends a packet to the server and waits for the answer that `accept` takes. */
  readonly ask: (packet: Uint8Array, accept: Accept<true>, signal: AbortSignal) => Promise<true>
  readonly onFailure: () => void
}

/** Watches a server that failed: asks it something small until it answers. A server that never failed is not asked. */
export class HealthProbe {
  readonly #options: Options
  readonly #stopping = new AbortController()
  #fails = 0
  #running = false

  constructor(options: Options) {
    this.#options = options
  }

  get isDown(): boolean {
    const { maxFails } = this.#options
    return maxFails > 0 && this.#fails > maxFails
  }

  get isRunning(): boolean {
    return this.#running
  }

  /** Starts probing unless that is under way or `maxFails` is 0. */
  start(): void {
    if (this.#running || this.#options.maxFails === 0) return
    this.#running = true
    void this.#run(this.#stopping.signal)
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, health, onFailure } = this.#options
    while (!signal.aborted && !(await this.#isAnswered(signal))) {
      this.#fails++
      onFailure()
      await clock.sleep(health.intervalMs, signal).catch(() => undefined)
    }
    this.#fails = 0
    this.#running = false
  }

  /** Any response, whatever its rcode, shows that the server is there. */
  async #isAnswered(signal: AbortSignal): Promise<boolean> {
    const { ask, health } = this.#options
    const id = randomInt(0x10000)
    const packet = encodeMessage({
      ...reply(),
      id,
      opcode: 'QUERY',
      isResponse: false,
      recursionDesired: health.recursionDesired,
      checkingDisabled: false,
      question: { name: health.name, type: 'NS', class: 'IN' },
      edns: undefined,
    })
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)])
    try {
      return await ask(packet, answer => isResponseTo(id, answer) || undefined, limit)
    } catch {
      return false
    }
  }
}

const isResponseTo = (id: number, packet: Uint8Array): boolean =>
  packet.length >= 12 &&
  packet[0] === id >> 8 &&
  packet[1] === (id & 0xff) &&
  ((packet[2] ?? 0) & 0x80) !== 0
