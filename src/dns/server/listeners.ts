import type { Scheme } from '../corefile/zone-key.ts'
import type { Listener, ListenerOptions, PacketHandler } from './listener.ts'
import type { PlannedListener } from './plan.ts'
import { listenTcp, listenTls } from './tcp.ts'
import { inTurns, Turns } from './turns.ts'
import { listenUdp } from './udp.ts'
import { type FastListening, listenBatched } from './udp-batched.ts'

type PoolOptions = {
  /** What answers the packets of a listener, by its key. */
  readonly handlerOf: (key: string) => PacketHandler
  /** Told of the status of each answer over HTTPS. */
  readonly onHttpStatus: (key: string, status: number) => void
  /** undefined: UDP goes by dgram. */
  readonly fast: FastListening | undefined
}

/**
 * The open listeners. Their sockets outlive configurations, so that no query is lost in a reload; what they hand packets to
 * looks up the configuration of the moment.
 */
export class ListenerPool implements AsyncDisposable {
  readonly #open = new Map<string, readonly Listener[]>()
  /** What is served now. */
  #planned: ReadonlyMap<string, PlannedListener> = new Map()
  readonly #handlerOf: (key: string) => PacketHandler
  readonly #onHttpStatus: (key: string, status: number) => void
  readonly #fast: FastListening | undefined
  readonly #turns = new Turns()

  constructor({ handlerOf, onHttpStatus, fast }: PoolOptions) {
    this.#handlerOf = handlerOf
    this.#onHttpStatus = onHttpStatus
    this.#fast = fast
  }

  /**
   * Opens what is planned and not open yet.
   * @throws the system error of a failed bind; what this call opened is closed again.
   */
  async open(planned: ReadonlyMap<string, PlannedListener>): Promise<void> {
    await using undo = new AsyncDisposableStack()
    for (const [key, listener] of planned) {
      if (this.#open.has(key)) continue
      this.#open.set(key, await this.#listen(key, listener, undo))
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

  async #listen(
    key: string,
    listener: PlannedListener,
    undo: AsyncDisposableStack,
  ): Promise<readonly Listener[]> {
    const now = () => this.#planned.get(key) ?? listener
    const { address, port, sockets, scheme } = listener
    const options: ListenerOptions = {
      address,
      port,
      sockets,
      limits: () => now().limits,
      tls: () => now().tls,
      onHttpStatus: status => this.#onHttpStatus(key, status),
      handle: this.#handlerOf(key),
    }
    const streaming = { ...options, handle: inTurns(this.#turns, options.handle) }
    if (scheme !== 'dns') return [undo.use(await listenEncrypted(scheme, streaming))]
    // TCP first: it alone notices that another process serves the same port.
    const tcp = undo.use(await listenTcp(streaming))
    const fast = this.#fast
    const udp = undo.use(
      fast === undefined ? await listenUdp(options) : await listenBatched(options, fast),
    )
    return [tcp, udp]
  }
}

/** What only some Corefiles need is loaded when one does. */
async function listenEncrypted(
  scheme: Exclude<Scheme, 'dns'>,
  options: ListenerOptions,
): Promise<Listener> {
  switch (scheme) {
    case 'tls':
      return listenTls(options)
    case 'https':
      return (await import('./https.ts')).listenHttps(options)
    case 'grpc':
      return (await import('./grpc.ts')).listenGrpc(options)
  }
}
