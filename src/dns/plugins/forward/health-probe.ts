import type { Clock } from '#runtime/clock.ts'
import { reply } from '../../message.ts'
import { encodeMessage } from '../../wire/encode.ts'
import { HEADER_OCTETS } from '../../wire/header.ts'
import type { Asking, Exchange } from './exchange.ts'
import type { HealthOptions } from './options.ts'

/** How long a probe waits for its answer, milliseconds. */
const PROBE_TIMEOUT_MS = 1000

type Options = {
  readonly health: HealthOptions
  readonly maxFails: number
  readonly clock: Clock
  /** Asks the server. */
  readonly ask: (asking: Asking<true>) => Exchange
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
  #isAnswered(signal: AbortSignal): Promise<boolean> {
    const { ask, health } = this.#options
    const packet = encodeMessage({
      ...reply(),
      id: 0,
      opcode: 'QUERY',
      isResponse: false,
      recursionDesired: health.recursionDesired,
      checkingDisabled: false,
      question: { name: health.name, type: 'NS', class: 'IN' },
      edns: undefined,
    })
    return new Promise(resolve => {
      const exchange = ask({
        packet,
        accept: answer => isResponse(answer) || undefined,
        timeoutMs: PROBE_TIMEOUT_MS,
        onAnswer: resolve,
        onFailure: () => resolve(false),
      })
      const onAbort = () => {
        exchange.cancel()
        resolve(false)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

const isResponse = (packet: Uint8Array): boolean =>
  packet.length >= HEADER_OCTETS && ((packet[2] as number) & 0x80) !== 0
