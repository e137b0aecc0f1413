import { isIP } from 'node:net'
import { type HttpAnswer, type HttpHandler, type HttpRoutes, routed } from '#runtime/http-server.ts'

/** What the views are made of. */
export type Views = {
  /** By the path under `/api/v1/`; undefined: there is no such thing. */
  readonly [path: string]: (query: URLSearchParams) => unknown
}

/** The routes of views, as JSON. */
export const viewRoutes = (views: Views): HttpRoutes =>
  Object.fromEntries(
    Object.entries(views).map(([path, view]) => [
      `/api/v1/${path}`,
      async (query: URLSearchParams) => json(await view(query)),
    ]),
  )

function json(value: unknown): HttpAnswer {
  const found = value !== undefined
  return {
    status: found ? 200 : 404,
    body: `${JSON.stringify(found ? value : { error: 'not found' })}\n`,
    contentType: 'application/json',
    headers: { 'cache-control': 'no-store' },
  }
}

/**
 * Answers browsers only that were told to ask an address or localhost: a name that somebody outside has pointed at this
 * machine would let his page read what is here (DNS rebinding).
 */
export function forLocalBrowsers(routes: HttpRoutes): HttpHandler {
  const handle = routed(routes)
  return request =>
    isAddressOrLocalhost(request.host)
      ? handle(request)
      : { status: 403, body: 'ask by address, or as localhost\n' }
}

function isAddressOrLocalhost(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:[0-9]+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0
}
