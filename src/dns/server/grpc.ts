import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { MAX_MESSAGE_OCTETS } from './doh-message.ts'
import { GRPC_STATUS, type GrpcStatus, readGrpcRequest, writeGrpcAnswer } from './grpc-message.ts'
import { MAX_HTTP_CONNECTIONS, serveHttp2 } from './http-connection.ts'
import { readBody } from './http-exchange.ts'
import type { Listener, ListenerOptions, PacketOrigin } from './listener.ts'
import { limitsOf, listenStream } from './stream-listener.ts'
import { originOf } from './stream-origin.ts'
import { tlsAcceptor } from './tls-acceptor.ts'

const PATH = '/coredns.dns.DnsService/Query'
/** A message with its frame, its field and room for fields that are not known here. */
const MAX_BODY_OCTETS = MAX_MESSAGE_OCTETS + 1024

/**
 * Listens for CoreDNS's gRPC service (coredns: pb/dns.proto), encrypted where a block of the listener has `tls`, else in the clear.
 * @throws the system error of a failed bind.
 */
export function listenGrpc(options: ListenerOptions): Promise<Listener> {
  const serve = (connections: Connections) => (socket: Socket) => {
    const origin = originOf(socket)
    if (origin === undefined) socket.destroy()
    else {
      const serving = { limits: limitsOf(options), connections }
      serveHttp2(socket, serving, (stream, headers) =>
        serveCall({ stream, headers, origin, options }),
      )
    }
  }
  return listenStream(options, {
    maxConnections: MAX_HTTP_CONNECTIONS,
    start: connections => {
      const inClear = serve(connections)
      const encrypted = tlsAcceptor({ options, connections, protocols: ['h2'] }, inClear)
      return socket => (options.tls?.() === undefined ? inClear(socket) : encrypted(socket))
    },
  })
}

type Call = {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  readonly origin: PacketOrigin
  readonly options: ListenerOptions
}

/** Answers one call (gRPC over HTTP/2); gives the octets of the answer. Never rejects. */
async function serveCall(call: Call): Promise<number> {
  const { stream, headers } = call
  try {
    // What does not speak gRPC hears of it by HTTP.
    const refusal = httpStatusFor(headers)
    if (refusal !== undefined) {
      stream.resume()
      stream.respond({ ':status': refusal }, { endStream: true })
      return 0
    }
    const outcome = await answerCall(call)
    if (outcome.kind === 'failed') {
      fail(stream, outcome.status, outcome.reason)
      return 0
    }
    succeed(stream, outcome.message)
    return outcome.message.length
  } catch {
    // The client went before its call or the answer was whole.
    return 0
  }
}

function httpStatusFor(headers: IncomingHttpHeaders): number | undefined {
  if (headers[':method'] !== 'POST') return 405
  return /^application\/grpc(\+proto)?(;|$)/.test(headers['content-type'] ?? '') ? undefined : 415
}

type Outcome =
  | { readonly kind: 'answered'; readonly message: Uint8Array }
  | { readonly kind: 'failed'; readonly status: GrpcStatus; readonly reason: string }

async function answerCall({ stream, headers, origin, options }: Call): Promise<Outcome> {
  if (headers[':path'] !== PATH) {
    stream.resume()
    return failed(GRPC_STATUS.unimplemented, `there is only ${PATH}`)
  }
  const body = await readBody(stream, MAX_BODY_OCTETS)
  if (body === undefined) return failed(GRPC_STATUS.resourceExhausted, 'the message is too long')
  const request = readGrpcRequest(body)
  if (request.kind === 'refused') return failed(request.status, request.reason)
  let isRefused = false
  const onRefused = () => {
    isRefused = true
  }
  const answer = await options.handle(request.packet, { ...origin, onRefused })
  if (isRefused) return failed(GRPC_STATUS.invalidArgument, 'not a query')
  if (answer === undefined) return failed(GRPC_STATUS.unknown, 'no answer')
  return { kind: 'answered', message: writeGrpcAnswer(answer) }
}

const failed = (status: GrpcStatus, reason: string): Outcome => ({ kind: 'failed', status, reason })

const CONTENT_TYPE = 'application/grpc'

function succeed(stream: ServerHttp2Stream, message: Uint8Array): void {
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': `${GRPC_STATUS.ok}` }))
  stream.respond({ ':status': 200, 'content-type': CONTENT_TYPE }, { waitForTrailers: true })
  stream.end(message)
}

/** An answer of headers alone (gRPC over HTTP/2, Trailers-Only). */
function fail(stream: ServerHttp2Stream, status: GrpcStatus, reason: string): void {
  const trailers = { 'grpc-status': `${status}`, 'grpc-message': reason }
  stream.respond({ ':status': 200, 'content-type': CONTENT_TYPE, ...trailers }, { endStream: true })
}
