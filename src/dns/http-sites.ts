import { formatHostPort, parseIp } from '#net/ip.ts'
import { type HttpAnswer, type HttpServer, startHttpServer } from '#runtime/http-server.ts'

/** Where an HTTP server listens. */
export type HttpAddress = { readonly host: string; readonly port: number }

export type HttpRoute = (query: URLSearchParams) => HttpAnswer | Promise<HttpAnswer>

/** Collects what the plugins of one configuration want to serve over HTTP. */
export type HttpSites = {
  /** Serves a path on an address once the configuration is in use. The first one to ask for a path gets it. */
  serve(address: HttpAddress, path: string, route: HttpRoute): void
}

type Site = { readonly address: HttpAddress; readonly routes: Map<string, HttpRoute> }

/** The wishes of one configuration. */
export class HttpSiteList implements HttpSites {
  readonly sites = new Map<string, Site>()

  serve(address: HttpAddress, path: string, route: HttpRoute): void {
    const key = keyOf(address)
    const site = this.sites.get(key) ?? { address, routes: new Map() }
    this.sites.set(key, site)
    if (!site.routes.has(path)) site.routes.set(path, route)
  }
}

/** The HTTP servers that are open. Their sockets outlive configurations: a reload only changes what they answer. */
export class HttpPool implements AsyncDisposable {
  readonly #open = new Map<string, { server: HttpServer; routes: Record<string, HttpRoute> }>()

  /**
   * Opens what `list` has and is not open yet. What else is open stays as it is, so that a failed reload changes nothing.
   * @throws the system error of a failed bind; what this call opened is closed again.
   */
  async open(list: HttpSiteList): Promise<void> {
    await using undo = new AsyncDisposableStack()
    for (const [key, { address }] of list.sites) {
      if (this.#open.has(key)) continue
      const routes: Record<string, HttpRoute> = {}
      const server = undo.use(await startHttpServer(address, routes))
      this.#open.set(key, { server, routes })
      undo.defer(() => void this.#open.delete(key))
    }
    undo.move()
  }

  /** Answers what `list` has, which is open, and closes the rest. */
  async switchTo(list: HttpSiteList): Promise<void> {
    for (const [key, { server, routes }] of this.#open) {
      const site = list.sites.get(key)
      for (const path of Object.keys(routes)) delete routes[path]
      for (const [path, route] of site?.routes ?? []) routes[path] = route
      if (site !== undefined) continue
      this.#open.delete(key)
      await server[Symbol.asyncDispose]()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.switchTo(new HttpSiteList())
  }
}

/**
 * The address that `host:port` or `:port` means, or undefined. Without a host it is every address (host `''`), as in CoreDNS.
 */
export function parseHttpAddress(text: string): HttpAddress | undefined {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text) ?? []
  const port = Number(portText)
  if (portText === undefined || port > 65535) return undefined
  const host = bracketed ?? plain ?? ''
  return { host, port }
}

function keyOf({ host, port }: HttpAddress): string {
  const ip = parseIp(host)
  return ip === undefined ? `${host}:${port}` : formatHostPort(ip, port)
}
