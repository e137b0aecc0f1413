import { decodeMessage } from '../wire/decode.ts'
import { MAX_MESSAGE_OCTETS, maxAgeOf, readDohRequest } from './doh-message.ts'
import { http1Acceptor, MAX_HTTP_CONNECTIONS, serveHttp2 } from './http-connection.ts'
import {
  type HttpAnswer,
  type HttpExchange,
  http1Exchange,
  http2Exchange,
  readBody,
} from './http-exchange.ts'
import type { Listener, ListenerOptions, PacketOrigin } from './listener.ts'
import { limitsOf, listenStream } from './stream-listener.ts'
import { originOf } from './stream-origin.ts'
import { tlsAcceptor } from './tls-acceptor.ts'

/** Listens for DNS over HTTPS (RFC 8484), HTTP/2 and HTTP/1.1. @throws the system error of a failed bind. */
export function listenHttps(options: ListenerOptions): Promise<Listener> {
  const serve = (exchange: HttpExchange, origin: PacketOrigin | undefined) =>
    serveExchange(exchange, origin, options)
  const acceptHttp1 = http1Acceptor((request, response) =>
    serve(http1Exchange(request, response), originOf(request.socket)),
  )
  return listenStream(options, {
    maxConnections: MAX_HTTP_CONNECTIONS,
    start: connections =>
      tlsAcceptor({ options, connections, protocols: ['h2', 'http/1.1'] }, socket => {
        const serving = { limits: limitsOf(options), connections }
        if (socket.alpnProtocol !== 'h2') {
          acceptHttp1(socket, serving)
          return
        }
        const origin = originOf(socket)
        serveHttp2(socket, serving, (stream, headers) =>
          serve(http2Exchange(stream, headers), origin),
        )
      }),
  })
}

/** Answers one request; gives the octets of the answer. Never rejects. */
async function serveExchange(
  exchange: HttpExchange,
  origin: PacketOrigin | undefined,
  options: ListenerOptions,
): Promise<number> {
  try {
    if (origin === undefined) return 0
    const answer = await answerExchange(exchange, origin, options)
    options.onHttpStatus?.(answer.status)
    exchange.answer(answer)
    return answer.body.length
  } catch {
    // The client went before its request or the answer was whole.
    return 0
  }
}

async function answerExchange(
  { method, target, body }: HttpExchange,
  origin: PacketOrigin,
  { handle }: ListenerOptions,
): Promise<HttpAnswer> {
  const request = readDohRequest(method, target)
  if (request.kind !== 'body') body.resume()
  if (request.kind === 'refused') return failure(request.status, request.reason)
  const packet =
    request.kind === 'packet' ? request.packet : await readBody(body, MAX_MESSAGE_OCTETS)
  if (packet === undefined) return failure(400, 'the message is too long')
  let isRefused = false
  const onRefused = () => {
    isRefused = true
  }
  const answer = await handle(packet, { ...origin, onRefused })
  if (isRefused) return failure(400, 'not a query')
  if (answer === undefined) return failure(500, 'no answer')
  // HTTP wants to know how long the answer holds.
  const decoded = decodeMessage(answer)
  const maxAge = decoded.kind === 'message' ? maxAgeOf(decoded.message) : 0
  return {
    status: 200,
    headers: {
      'content-type': 'application/dns-message',
      'cache-control': `max-age=${maxAge}`,
    },
    body: answer,
  }
}

const failure = (status: number, reason: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: Buffer.from(`${reason}\n`),
})
