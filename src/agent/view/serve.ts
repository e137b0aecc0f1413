import { isIP } from 'node:net'
import { type HttpAnswer, type HttpHandler, type HttpRoutes, routed } from '#runtime/http-server.ts'
import { Pace } from '#runtime/pace.ts'

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
      async (query: URLSearchParams) => await json(await view(query)),
    ]),
  )

async function json(value: unknown): Promise<HttpAnswer> {
  const found = value !== undefined
  return {
    status: found ? 200 : 404,
    body: `${await stringify(found ? value : { error: 'not found' })}\n`,
    contentType: 'application/json',
    headers: { 'cache-control': 'no-store' },
  }
}

/** JSON; of a long list its items one by one, so that others get their turn. */
async function stringify(value: unknown): Promise<string> {
  if (!Array.isArray(value)) return JSON.stringify(value)
  const pace = new Pace()
  const items: string[] = []
  for (const item of value) {
    items.push(JSON.stringify(item))
    await pace.breathe()
  }
  return `[${items.join(',')}]`
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
