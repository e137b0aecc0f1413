import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

export type HttpAnswer = {
  readonly status: number
  readonly body: string
  /** `text/plain; charset=utf-8` when not given. */
  readonly contentType?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Path to what answers a GET of it. */
export type HttpRoutes = Readonly<
  Record<string, (query: URLSearchParams) => HttpAnswer | Promise<HttpAnswer>>
>

/** Small read-only HTTP servers: health, readiness, metrics. */
export type HttpServer = AsyncDisposable & { readonly host: string; readonly port: number }

/** Reading the request and writing the answer may each take this long. */
const TIMEOUT_MS = 5_000
const MAX_CONNECTIONS = 256

/**
 * Serves `routes` on an address; anything else is 404, other methods than GET and HEAD are 405.
 * @param port 0 picks a free one.
 * @throws the system error of a failed bind (EADDRINUSE …).
 */
export async function startHttpServer(
  { host, port }: { readonly host: string; readonly port: number },
  routes: HttpRoutes,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, { status: 405, body: 'only GET\n', headers: { allow: 'GET, HEAD' } })
      return
    }
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    void answer(response, async () =>
      route === undefined
        ? { status: 404, body: 'not found\n' }
        : route(new URLSearchParams(query)),
    )
  })
  server.requestTimeout = TIMEOUT_MS
  server.headersTimeout = TIMEOUT_MS
  server.timeout = TIMEOUT_MS
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port, host)
  await once(server, 'listening')
  const bound = server.address() as AddressInfo
  return { host: bound.address, port: bound.port, [Symbol.asyncDispose]: () => close(server) }
}

/** The route that shows a registry in Prometheus' text format. */
export const metricsRoute = (metrics: Metrics) => async (): Promise<HttpAnswer> => ({
  status: 200,
  body: await metrics.metrics(),
  contentType: metrics.contentType,
})

async function answer(response: ServerResponse, route: () => Promise<HttpAnswer>): Promise<void> {
  try {
    send(response, await route())
  } catch {
    // Never the error's text: it may name what a stranger should not read.
    send(response, { status: 500, body: 'internal error\n' })
  }
}

function send(response: ServerResponse, { status, body, contentType, headers }: HttpAnswer): void {
  response.writeHead(status, {
    'content-type': contentType ?? 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  if (!server.listening) return
  server.close()
  await once(server, 'close')
}
