import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type Message, type Reply, reply, type Transport } from '#dns/message.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'

/** A question that came, and how to answer it: never, once, or often. */
export type Asked = {
  readonly message: Message
  readonly transport: Transport
  /** The port or connection it came from. */
  readonly from: number
  readonly send: (packet: Uint8Array) => void
  /** Sends the answer that a proper server would send. */
  readonly answer: (parts?: Partial<Reply>) => void
}

/** The answer to a question as octets; `parts` may say something else than a proper server would. */
export const packetOf = (message: Message, parts: Partial<Message> = {}): Uint8Array =>
  encodeMessage({ ...message, ...reply(), isResponse: true, ...parts })

/** A server on loopback, by UDP and TCP on one port, that does what a test says. */
export class FakeUpstream implements AsyncDisposable {
  readonly #udp: UdpSocket
  readonly #tcp: Server
  readonly #connections = new Set<Socket>()
  readonly asked: Asked[] = []

  private constructor(udp: UdpSocket, tcp: Server) {
    this.#udp = udp
    this.#tcp = tcp
  }

  static async start(onAsked: (asked: Asked) => void): Promise<FakeUpstream> {
    for (;;) {
      const udp = createSocket('udp4')
      udp.bind(0, '127.0.0.1')
      await once(udp, 'listening')
      const tcp = createServer()
      tcp.listen(udp.address().port, '127.0.0.1')
      try {
        await once(tcp, 'listening')
      } catch {
        // The port is taken for TCP: try another one.
        udp.close()
        continue
      }
      const upstream = new FakeUpstream(udp, tcp)
      upstream.#serve(onAsked)
      return upstream
    }
  }

  get port(): number {
    return this.#udp.address().port
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size
  }

  closeConnections(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeConnections()
    await Promise.all([
      new Promise<void>(resolve => this.#udp.close(() => resolve())),
      new Promise<void>(resolve => this.#tcp.close(() => resolve())),
    ])
  }

  #serve(onAsked: (asked: Asked) => void): void {
    const handle = (packet: Uint8Array, asked: Pick<Asked, 'transport' | 'from' | 'send'>) => {
      const decoded = decodeMessage(packet)
      if (decoded.kind === 'malformed') throw new Error(decoded.reason)
      const { message } = decoded
      const answer = (parts?: Partial<Reply>) => asked.send(packetOf(message, parts))
      const whole = { ...asked, message, answer }
      this.asked.push(whole)
      onAsked(whole)
    }
    this.#udp.on('message', (packet, { address, port }) => {
      const send = (answer: Uint8Array) => this.#udp.send(answer, port, address)
      handle(packet, { transport: 'udp', from: port, send })
    })
    this.#tcp.on('connection', socket => {
      this.#connections.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#connections.delete(socket))
      socket.setNoDelay(true)
      const from = socket.remotePort ?? 0
      const send = (answer: Uint8Array) => {
        const frame = Buffer.alloc(2 + answer.length)
        frame.writeUInt16BE(answer.length)
        frame.set(answer, 2)
        // In two segments: clients must put them together.
        socket.write(frame.subarray(0, 3))
        socket.write(frame.subarray(3))
      }
      let received = Buffer.alloc(0)
      socket.on('data', chunk => {
        received = Buffer.concat([received, chunk as Buffer])
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) {
          const end = 2 + received.readUInt16BE()
          handle(received.subarray(2, end), { transport: 'tcp', from, send })
          received = received.subarray(end)
        }
      })
    })
  }
}
