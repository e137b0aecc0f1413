import type { Socket } from 'node:net'
import type { Accept } from './exchange.ts'
import { ForwardError } from './upstream-message.ts'

/** Octets of the length before each message on a stream (RFC 1035 section 4.2.2). */
const LENGTH_OCTETS = 2

type Waiter = {
  readonly onMessage: (message: Uint8Array) => void
  readonly onEnd: (error: Error) => void
}

/** A connection by TCP (RFC 7766) or TLS (RFC 7858) to a server: one exchange at a time. */
export class TcpConnection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #waiter: Waiter | undefined
  #closed = false
  readonly #openedMs = performance.now()

  /**
   * @param socket which is being connected, by TCP or TLS.
   * @param onClose is called once, also when the server closes.
   */
  constructor(socket: Socket, onClose: () => void) {
    this.#socket = socket
    this.#socket.on('data', chunk => {
      if (typeof chunk !== 'string') this.#receive(chunk)
    })
    this.#socket.on('timeout', () => this.close())
    let cause: Error | undefined
    this.#socket.on('error', error => {
      cause = error
    })
    this.#socket.on('close', () => {
      this.#closed = true
      this.#waiter?.onEnd(cause ?? new ForwardError('the server closed the connection'))
      onClose()
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** How long ago it was opened. */
  get ageMs(): number {
    return performance.now() - this.#openedMs
  }

  /**
   * Sends a message and waits for the one that `accept` takes. Rejects with the socket's error, with what `accept` throws, or with the
   * signal's reason. After a rejection the connection is closed: what comes later belongs to nobody.
   */
  async exchange<T>(packet: Uint8Array, accept: Accept<T>, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const onAbort = () => reject(signal.reason)
    this.#waiter = {
      onEnd: reject,
      onMessage(message) {
        try {
          const answer = accept(message)
          if (answer !== undefined) resolve(answer)
        } catch (error) {
          reject(error)
        }
      },
    }
    this.#socket.setTimeout(0)
    this.#socket.write(framed(packet))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await promise
    } catch (error) {
      this.close()
      throw error
    } finally {
      this.#waiter = undefined
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Closes the connection when it has idled so long. */
  idle(expireMs: number): void {
    this.#socket.unref()
    this.#socket.setTimeout(expireMs)
  }

  /** The end of {@link idle}. */
  resume(): void {
    this.#socket.ref()
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    // A server that talks unasked is none to keep.
    if (this.#waiter === undefined) {
      this.close()
      return
    }
    this.#received = Buffer.concat([this.#received, chunk])
    while (this.#received.length >= LENGTH_OCTETS) {
      const end = LENGTH_OCTETS + this.#received.readUInt16BE()
      if (this.#received.length < end) return
      const message = this.#received.subarray(LENGTH_OCTETS, end)
      this.#received = this.#received.subarray(end)
      this.#waiter?.onMessage(message)
    }
  }
}

function framed(packet: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(LENGTH_OCTETS + packet.length)
  frame.writeUInt16BE(packet.length)
  frame.set(packet, LENGTH_OCTETS)
  return frame
}
