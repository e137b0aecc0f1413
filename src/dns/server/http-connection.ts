import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { type HttpServing, RequestWatch } from './request-watch.ts'

/** Connections of one listener (CoreDNS: max_connections of its plugins https and grpc_server). */
export const MAX_HTTP_CONNECTIONS = 200
/** Streams of one connection (CoreDNS: max_streams of grpc_server). */
const MAX_STREAMS = 256
/** What a session may hold of headers and frames before it takes no more streams, MiB. */
const MAX_SESSION_MEMORY = 1
/** Octets of all headers of a request of HTTP/1.1: the largest message may be in its path, in base64. HTTP/2 has room for 64 KiB. */
const MAX_HEADER_OCTETS = 96 * 1024
/** Requests of one connection of HTTP/1.1 that may wait for their answers; a client that sends more reads none. */
const MAX_PIPELINED = 16

/**
 * Serves HTTP/2 on a connection (RFC 9113).
 * @param answer resolves to the octets of the answer when it handed it over; it never rejects.
 */
export function serveHttp2(
  socket: Socket,
  serving: HttpServing,
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => Promise<number>,
): void {
  const session = performServerHandshake(socket, {
    maxSessionMemory: MAX_SESSION_MEMORY,
    settings: { maxConcurrentStreams: serving.limits.maxStreams ?? MAX_STREAMS },
  })
  const watch = new RequestWatch(session, serving)
  session.on('error', () => undefined)
  session.once('close', () => watch.gone())
  session.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    watch.watch({
      request: stream,
      response: stream,
      answered: answer(stream, headers),
      cut: () => stream.close(constants.NGHTTP2_CANCEL),
    })
  })
}

/** Gives what serves HTTP/1.1 on a connection. @param answer as that of {@link serveHttp2}. */
export function http1Acceptor(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<number>,
): (socket: Socket, serving: HttpServing) => void {
  const watches = new WeakMap<Socket, RequestWatch>()
  // It never listens, so its own time limits do not run: those of the watch do.
  const server = createServer({ maxHeaderSize: MAX_HEADER_OCTETS, keepAliveTimeout: 0 })
  server.on('request', (request, response) => {
    const { socket } = request
    const watch = watches.get(socket)
    if (watch === undefined || watch.open >= MAX_PIPELINED) {
      socket.destroy()
      return
    }
    request.on('error', () => undefined)
    const answered = answer(request, response)
    watch.watch({ request, response, answered, cut: () => void socket.destroy() })
  })
  return (socket, serving) => {
    const watch = new RequestWatch(socket, serving)
    watches.set(socket, watch)
    socket.once('close', () => watch.gone())
    server.emit('connection', socket)
  }
}
