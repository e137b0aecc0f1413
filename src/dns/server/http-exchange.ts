import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Readable } from 'node:stream'

export type HttpAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** A request and the way to answer it, of either version of HTTP. */
export type HttpExchange = {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly body: Readable
  /** @throws the client is gone. */
  answer(answer: HttpAnswer): void
}

/** A stream of HTTP/2 (RFC 9113 section 8.3). */
export const http2Exchange = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): HttpExchange => ({
  method: headers[':method'] ?? '',
  target: headers[':path'] ?? '',
  body: stream,
  answer({ status, headers, body }) {
    stream.respond({ ':status': status, ...headers, 'content-length': body.length })
    stream.end(body)
  },
})

/** A request of HTTP/1.1. */
export const http1Exchange = (
  request: IncomingMessage,
  response: ServerResponse,
): HttpExchange => ({
  method: request.method ?? '',
  target: request.url ?? '',
  body: request,
  answer({ status, headers, body }) {
    response.writeHead(status, { ...headers, 'content-length': body.length })
    response.end(body)
  },
})

/**
 * All octets of a body; undefined: more than `maxOctets`, which are not kept.
 * @throws the error of a client that went before the end.
 */
export function readBody(body: Readable, maxOctets: number): Promise<Buffer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>()
  let chunks: Buffer[] = []
  let octets = 0
  body.on('data', (chunk: Buffer) => {
    octets += chunk.length
    if (octets <= maxOctets) chunks.push(chunk)
    else {
      chunks = []
      resolve(undefined)
    }
  })
  body.once('end', () => resolve(Buffer.concat(chunks)))
  body.once('error', reject)
  body.once('close', () => reject(new Error('the client went before the end of its request')))
  return promise
}
