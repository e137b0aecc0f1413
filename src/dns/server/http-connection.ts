import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Closable, Connections } from './connections.ts'
import { Deadline } from './deadline.ts'
import type { StreamLimits } from './listener.ts'

/** Connections of one listener (CoreDNS: max_connections of its plugins https and grpc_server). */
export const MAX_HTTP_CONNECTIONS = 200
/** Streams of one connection (CoreDNS: max_streams of grpc_server). */
const MAX_STREAMS = 256
/** Octets of all headers of a request of HTTP/1.1: the largest message may be in its path, in base64. HTTP/2 has room for 64 KiB. */
const MAX_HEADER_OCTETS = 96 * 1024
/** What a session may hold of headers and frames before it takes no more streams, MiB. */
const MAX_SESSION_MEMORY = 1

type HttpServing = { readonly limits: StreamLimits; readonly connections: Connections }

/** The requests of one connection: it is cut when none comes for too long. */
class RequestWatch {
  readonly #connection: Closable
  readonly #serving: HttpServing
  readonly #deadline: Deadline
  #open = 0
  #isGone = false

  constructor(connection: Closable, serving: HttpServing) {
    this.#connection = connection
    this.#serving = serving
    this.#deadline = new Deadline(connection)
    this.#wait(serving.limits.readMs)
  }

  get open(): number {
    return this.#open
  }

  begun(): void {
    this.#open++
    this.#deadline.clear()
    this.#serving.connections.busy(this.#connection)
  }

  ended(): void {
    this.#open--
    if (this.#open === 0) this.#wait(this.#serving.limits.idleMs)
  }

  gone(): void {
    this.#isGone = true
    this.#deadline.clear()
    this.#serving.connections.busy(this.#connection)
  }

  #wait(ms: number): void {
    if (this.#isGone) return
    this.#deadline.set(ms)
    this.#serving.connections.idle(this.#connection)
  }
}

type Events = { once(event: 'end' | 'close', listener: () => void): unknown }

type Request = {
  readonly request: Events
  readonly response: Events
  /** Resolves when the answer was handed over. */
  readonly answered: Promise<void>
  readonly cut: () => void
}

/** Limits the time of one request: to come whole, and then its answer to be read. What takes it in between is the server's. */
function limitRequest(
  { limits }: HttpServing,
  { request, response, answered, cut }: Request,
): void {
  const deadline = new Deadline({ destroy: cut })
  let isReading = false
  let isClosed = false
  deadline.set(limits.readMs)
  request.once('end', () => {
    if (!isReading) deadline.clear()
  })
  response.once('close', () => {
    isClosed = true
    deadline.clear()
  })
  void answered.then(() => {
    isReading = true
    if (!isClosed) deadline.set(limits.writeMs)
  })
}

/** Serves HTTP/2 on a connection (RFC 9113). @param answer resolves when it handed the answer over; it never rejects. */
export function serveHttp2(
  socket: Socket,
  serving: HttpServing,
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => Promise<void>,
): void {
  const session: ServerHttp2Session = performServerHandshake(socket, {
    maxSessionMemory: MAX_SESSION_MEMORY,
    settings: { maxConcurrentStreams: MAX_STREAMS },
  })
  const watch = new RequestWatch(session, serving)
  session.on('error', () => undefined)
  session.once('close', () => watch.gone())
  session.on('stream', (stream, headers) => {
    watch.begun()
    stream.on('error', () => undefined)
    stream.once('close', () => watch.ended())
    limitRequest(serving, {
      request: stream,
      response: stream,
      answered: answer(stream, headers),
      cut: () => stream.close(constants.NGHTTP2_CANCEL),
    })
  })
}

/** Requests of one connection of HTTP/1.1 that may wait for their answers; a client that sends more reads none. */
const MAX_PIPELINED = 16

/** Gives what serves HTTP/1.1 on a connection. @param answer as that of {@link serveHttp2}. */
export function http1Acceptor(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): (socket: Socket, serving: HttpServing) => void {
  const watches = new WeakMap<Socket, RequestWatch>()
  const servings = new WeakMap<Socket, HttpServing>()
  // It never listens, so its own time limits do not run: those here do.
  const server: Server = createServer(
    { maxHeaderSize: MAX_HEADER_OCTETS, keepAliveTimeout: 0 },
    (request, response) => {
      const { socket } = request
      const [watch, serving] = [watches.get(socket), servings.get(socket)]
      if (watch === undefined || serving === undefined || watch.open >= MAX_PIPELINED) {
        socket.destroy()
        return
      }
      watch.begun()
      response.once('close', () => watch.ended())
      request.on('error', () => undefined)
      const answered = answer(request, response)
      limitRequest(serving, { request, response, answered, cut: () => void socket.destroy() })
    },
  )
  return (socket, serving) => {
    const watch = new RequestWatch(socket, serving)
    watches.set(socket, watch)
    servings.set(socket, serving)
    socket.once('close', () => watch.gone())
    server.emit('connection', socket)
  }
}
