import type { Listener, PacketHandler } from './listener.ts'
import type { PlannedListener } from './plan.ts'
import { listenTcp } from './tcp.ts'
import { listenUdp } from './udp.ts'
import { type FastListening, listenBatched } from './udp-batched.ts'

/**
 * The open listeners. Their sockets outlive configurations, so that no query is lost in a reload; what they hand packets to
 * looks up the configuration of the moment.
 */
export class ListenerPool implements AsyncDisposable {
  readonly #open = new Map<string, readonly Listener[]>()
  /** What is served now. */
  #planned: ReadonlyMap<string, PlannedListener> = new Map()
  readonly #handlerOf: (key: string) => PacketHandler
  readonly #fast: FastListening | undefined

  /** @param fast undefined: UDP goes by dgram. */
  constructor(handlerOf: (key: string) => PacketHandler, fast?: FastListening) {
    this.#handlerOf = handlerOf
    this.#fast = fast
  }

  /**
   * Opens what is planned and not open yet.
   * @throws the system error of a failed bind; what this call opened is closed again.
   */
  async open(planned: ReadonlyMap<string, PlannedListener>): Promise<void> {
    await using undo = new AsyncDisposableStack()
    for (const [key, { address, port, sockets }] of planned) {
      if (this.#open.has(key)) continue
      const limits = () => this.#planned.get(key)?.limits ?? {}
      const options = { address, port, sockets, limits, handle: this.#handlerOf(key) }
      // TCP first: it alone notices that another process serves the same port.
      const tcp = undo.use(await listenTcp(options))
      const fast = this.#fast
      const udp = undo.use(
        fast === undefined ? await listenUdp(options) : await listenBatched(options, fast),
      )
      this.#open.set(key, [tcp, udp])
      undo.defer(() => void this.#open.delete(key))
    }
    undo.move()
  }

  /** Closes what is not planned any more. */
  async keepOnly(planned: ReadonlyMap<string, PlannedListener>): Promise<void> {
    this.#planned = planned
    for (const [key, listeners] of this.#open) {
      if (planned.has(key)) continue
      this.#open.delete(key)
      for (const listener of listeners) await listener[Symbol.asyncDispose]()
    }
  }

  stopTaking(): void {
    for (const listener of [...this.#open.values()].flat()) listener.stopTaking()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.keepOnly(new Map())
  }
}
