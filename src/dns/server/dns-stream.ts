import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { Deadline } from './deadline.ts'
import { frame, splitMessages } from './framing.ts'
import type { PacketHandler, PacketOrigin, StreamLimits } from './listener.ts'
import { originOf } from './stream-origin.ts'

/** Queries of one connection that are answered at one time; more wait in the socket. */
const MAX_IN_FLIGHT = 64
/** Octets that wait for the client to read; with more, no further query is taken. */
const MAX_WAITING_OCTETS = 64 * 1024

/** What a connection is served with. */
export type StreamServing = {
  readonly handle: PacketHandler
  readonly limits: StreamLimits
  readonly connections: Connections
}

/**
 * Answers the queries of a connection over TCP or TLS, each behind its length (RFC 1035 section 4.2.2). They are answered at the
 * same time and sent as they are ready, in any order (RFC 7766 sections 6.2.1.1 and 7); CoreDNS answers one after the other.
 */
export function serveDnsStream(socket: Socket, serving: StreamServing): void {
  const origin = originOf(socket)
  if (origin === undefined) socket.destroy()
  else new DnsStream(socket, origin, serving).start()
}

class DnsStream {
  readonly #socket: Socket
  readonly #origin: PacketOrigin
  readonly #serving: StreamServing
  /** For the next query while none is being answered, else for the client to read. */
  readonly #deadline: Deadline
  /** A begun query. */
  #rest: Buffer = Buffer.alloc(0)
  /** Queries that are there and not taken yet. */
  #waiting: Uint8Array[] = []
  #taken = 0
  #inFlight = 0
  #writes = 0
  #hasEnded = false

  constructor(socket: Socket, ends: PacketOrigin, serving: StreamServing) {
    this.#socket = socket
    this.#serving = serving
    this.#deadline = new Deadline(socket)
    this.#origin = { ...ends, send: packet => this.#write(packet) }
  }

  start(): void {
    const socket = this.#socket
    socket.on('error', () => undefined)
    socket.on('data', (segment: Buffer) => this.#read(segment))
    socket.once('end', () => {
      this.#hasEnded = true
      this.#advance()
    })
    socket.once('close', () => {
      this.#deadline.clear()
      this.#serving.connections.busy(socket)
    })
    this.#wait(this.#serving.limits.readMs)
  }

  #read(segment: Buffer): void {
    const { messages, rest } = splitMessages(Buffer.concat([this.#rest, segment]))
    this.#rest = rest
    this.#waiting.push(...messages)
    this.#advance()
  }

  /** Takes what there is room for. The socket is read no further while there is none, so one segment waits here at most. */
  #advance(): void {
    const { limits } = this.#serving
    if (this.#socket.destroyed) return
    while (!this.#isFull() && this.#taken < limits.maxQueries) {
      const message = this.#waiting.shift()
      if (message === undefined) break
      this.#take(message)
    }
    if (this.#taken >= limits.maxQueries) {
      // What comes behind the last query that is allowed is read and forgotten: closing on unread octets would reset the
      // connection, and the last answers with it.
      this.#waiting = []
      this.#rest = Buffer.alloc(0)
      this.#hasEnded = true
    }
    if (this.#waiting.length > 0) this.#socket.pause()
    else this.#socket.resume()
    if (!this.#hasEnded || this.#inFlight > 0 || this.#socket.writableEnded) return
    this.#wait(limits.writeMs)
    this.#socket.end()
  }

  #isFull(): boolean {
    return this.#inFlight >= MAX_IN_FLIGHT || this.#socket.writableLength > MAX_WAITING_OCTETS
  }

  #wait(ms: number): void {
    if (this.#socket.destroyed) return
    this.#deadline.set(ms)
    this.#serving.connections.idle(this.#socket)
  }

  #take(message: Uint8Array): void {
    this.#taken++
    this.#inFlight++
    if (this.#writes === 0) this.#deadline.clear()
    this.#serving.connections.busy(this.#socket)
    void this.#answer(message)
  }

  async #answer(message: Uint8Array): Promise<void> {
    try {
      const answer = await this.#serving.handle(message, this.#origin)
      if (answer !== undefined) await this.#write(answer)
    } catch {
      this.#socket.destroy()
    }
    this.#inFlight--
    if (this.#inFlight === 0) this.#wait(this.#serving.limits.idleMs)
    this.#advance()
  }

  /** Resolves when the octets are the kernel's. @throws the error of a connection that is gone. */
  async #write(packet: Uint8Array): Promise<void> {
    const { connections, limits } = this.#serving
    const socket = this.#socket
    const octets = frame(packet)
    // Further answers give a client that does not read no more time.
    if (this.#writes++ === 0) this.#deadline.set(limits.writeMs)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.write(octets, error => (error ? reject(error) : resolve()))
    const sent = connections.unsent(socket, octets.length, socket.writableLength)
    try {
      await promise
    } finally {
      sent()
      this.#writes--
      if (this.#writes === 0) this.#deadline.clear()
      else if (!socket.destroyed) this.#deadline.set(limits.writeMs)
    }
  }
}
