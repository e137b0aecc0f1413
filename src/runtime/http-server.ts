import { once } from 'node:events'
import { renameSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'
import { listenForRoot, prepareSocketFolder } from './root-socket.ts'

export type HttpAnswer = {
  readonly status: number
  readonly body: string
  /** `text/plain; charset=utf-8` when not given. */
  readonly contentType?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Path to what answers a GET of it; `PUT /path` to what answers that. `text` gives the body as of {@link HttpRequest}. */
export type HttpRoutes = Readonly<
  Record<
    string,
    (query: URLSearchParams, text: () => Promise<string>) => HttpAnswer | Promise<HttpAnswer>
  >
>

export type HttpRequest = {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** The header; what a browser was told to ask. */
  readonly host: string | undefined
  /** The first 1,024 bytes of the body. */
  readonly text: () => Promise<string>
}

/** Answers every request, whatever its method and path. */
export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>

export type HttpPlace = {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** With the host `::`: leaves IPv4 to another server. */
  readonly ipv6Only?: boolean | undefined
  /** How long reading a request, and writing its answer, may each take; 5 s when not given. */
  readonly timeoutMs?: number | undefined
}

/** Small HTTP servers: health, readiness, metrics. */
export type HttpServer = AsyncDisposable & { readonly host: string; readonly port: number }

const TIMEOUT_MS = 5_000
const MAX_CONNECTIONS = 256
const MAX_BODY_BYTES = 1024

/**
 * Serves on an address. Of routes anything else is 404, other methods than GET and HEAD are 405.
 * @throws the system error of a failed bind (EADDRINUSE …).
 */
export async function startHttpServer(
  { host, port, ipv6Only = false, timeoutMs }: HttpPlace,
  served: HttpRoutes | HttpHandler,
): Promise<HttpServer> {
  const server = httpServerOf(served, timeoutMs)
  server.listen({ host, port, ipv6Only })
  await once(server, 'listening')
  const bound = server.address() as AddressInfo
  return { host: bound.address, port: bound.port, [Symbol.asyncDispose]: () => close(server) }
}

/**
 * Serves on a unix socket that only this process' user can connect to. A path that somebody else serves is taken over.
 * @param field names the setting of the path in errors.
 * @throws {ConfigError} the path cannot be used. @throws the system error of a failed bind.
 */
export async function startHttpSocket(
  { path, field }: { readonly path: string; readonly field: string },
  served: HttpRoutes | HttpHandler,
): Promise<AsyncDisposable> {
  prepareSocketFolder(path, field)
  const server = httpServerOf(served)
  // A server removes the path that it was bound to when it ends: by then it may be the next process' socket.
  const bound = `${path}.${process.pid}`
  rmSync(bound, { force: true })
  await listenForRoot(server, bound)
  renameSync(bound, path)
  const own = statSync(path).ino
  return {
    async [Symbol.asyncDispose]() {
      if (statSync(path, { throwIfNoEntry: false })?.ino === own) rmSync(path, { force: true })
      await close(server)
    },
  }
}

function httpServerOf(served: HttpRoutes | HttpHandler, timeoutMs = TIMEOUT_MS): Server {
  const handler = typeof served === 'function' ? served : routed(served)
  const server = createServer((request, response) => {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
    const { method = 'GET' } = request
    const { host } = request.headers
    const text = () => bodyOf(request)
    void answer(response, async () =>
      handler({ method, path, host, query: new URLSearchParams(query), text }),
    )
  })
  server.requestTimeout = timeoutMs
  server.headersTimeout = Math.min(timeoutMs, TIMEOUT_MS)
  server.timeout = timeoutMs
  server.maxConnections = MAX_CONNECTIONS
  return server
}

/** Answers GET and HEAD of some paths, and other methods where a route has them. */
export const routed =
  (routes: HttpRoutes): HttpHandler =>
  ({ method, path, query, text }) => {
    const isRead = method === 'GET' || method === 'HEAD'
    const key = isRead ? path : `${method} ${path}`
    const route = Object.hasOwn(routes, key) ? routes[key] : undefined
    if (route !== undefined) return route(query, text)
    return isRead
      ? { status: 404, body: 'not found\n' }
      : { status: 405, body: 'only GET\n', headers: { allow: 'GET, HEAD' } }
  }

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = Buffer.alloc(0)
  for await (const chunk of request) {
    body = Buffer.concat([body, chunk as Buffer])
    if (body.length >= MAX_BODY_BYTES) break
  }
  return body.subarray(0, MAX_BODY_BYTES).toString()
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
