import { createSocket, type Socket } from 'node:dgram'
import { familyOf } from '#net/ip.ts'
import type { UpstreamAddress } from './targets.ts'

/** A question that waits for a packet with its ID. */
export interface Waiting {
  /** A packet came with its ID. True: nothing is waited for any more. */
  take(packet: Uint8Array): boolean
  fail(error: unknown): void
}

export type Peer = UpstreamAddress & { readonly sourceAddress?: string | undefined }

/**
 * A socket whose port the kernel picked at random. Being connected it gets packets of the server's address and port alone. Many
 * questions may be under way, each under an ID of its own.
 */
export class UdpPort {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #error: Error | undefined
  #isRetired = false
  #isClosed = false

  /** @param onBroken told when nothing can be sent from it any more; what was under way has failed then. */
  constructor({ address, port, sourceAddress }: Peer, onBroken: () => void) {
    const family = familyOf(address)
    this.#socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      // An address is no name to ask for; with this the socket can be sent on at once.
      lookup: (host, _options, done) => done(null, host, family),
    })
    this.#socket.on('error', error => {
      this.#error = error
      this.#failAll(error)
      onBroken()
    })
    this.#socket.on('message', packet => this.#receive(packet))
    if (sourceAddress !== undefined) this.#socket.bind({ address: sourceAddress, port: 0 })
    if (this.#error === undefined) this.#socket.connect(port, address)
  }

  /** Is a question under way with this ID? */
  has(id: number): boolean {
    return this.#waiting.has(id)
  }

  /** Sends a packet under this ID; what comes back under it is for `waiting`. @throws the error of a broken socket. */
  send(id: number, packet: Uint8Array, waiting: Waiting): void {
    if (this.#error !== undefined) throw this.#error
    // A copy: the socket may send it later, and it may be under way elsewhere under another ID.
    const own = Buffer.from(packet)
    own.writeUInt16BE(id)
    this.#waiting.set(id, waiting)
    try {
      this.#socket.send(own, this.#onSent)
    } catch {
      // It is not connected, and the error that says why is on its way.
    }
  }

  /** Nothing is waited for under this ID any more. */
  forget(id: number): void {
    this.#waiting.delete(id)
    this.#closeIfOver()
  }

  /** Closes it as soon as nothing is under way. */
  retire(): void {
    this.#isRetired = true
    this.#closeIfOver()
  }

  /** What an ICMP message said of an earlier packet is told to whoever sends next. */
  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#socket.emit('error', error)
  }

  #receive(packet: Buffer): void {
    if (packet.length < 2) return
    const id = packet.readUInt16BE()
    if (this.#waiting.get(id)?.take(packet) === true) this.forget(id)
  }

  #failAll(error: unknown): void {
    const failed = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const waiting of failed) waiting.fail(error)
  }

  #closeIfOver(): void {
    if (!this.#isRetired || this.#isClosed || this.#waiting.size > 0) return
    this.#isClosed = true
    this.#socket.close()
  }
}
