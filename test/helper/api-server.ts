import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import type { Kind } from '#cluster/objects.ts'
import { ApiHistory, type ApiObject, eventLine } from './api-history.ts'
import { type Fault, queryProblem, refuse, send, statusObject } from './api-server-answers.ts'

import { answerNode, NODE_PATH } from './api-server-node.ts'

/** One request as it arrived. */
export type SeenRequest = {
  readonly kind: Kind
  readonly verb: 'list' | 'watch'
  readonly query: Readonly<Record<string, string>>
  readonly headers: http.IncomingHttpHeaders
  /** Common name of the client's certificate. */
  readonly certificateName: string | undefined
}

export type ApiServerOptions = {
  readonly tls?: {
    readonly cert: string
    readonly key: string
    /** Authority of client certificates; who shows none is refused. */
    readonly clientCa?: string
  }
  /** Requests need this bearer token, if given; it may be changed while the server runs. */
  readonly token?: string
  /** Where it listens; 127.0.0.1 when not given. */
  readonly host?: string
  /** 0 picks one. A server that comes back on the same port is how an outage ends. */
  readonly port?: number
  /** The objects of a server that was there before, when this one is it again. */
  readonly history?: ApiHistory
}

const paths: { readonly [K in Kind]: string } = {
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Node: '/api/v1/nodes',
  Namespace: '/api/v1/namespaces',
  ServiceCIDR: '/apis/networking.k8s.io/v1/servicecidrs',
  ServiceImport: '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports',
  Pod: '/api/v1/pods',
}
const EVENTS_PATH = /^\/apis\/events\.k8s\.io\/v1\/namespaces\/([^/]+)\/events$/
type Watcher = { readonly kind: Kind; readonly response: http.ServerResponse }

/**
 * An API server that knows list and watch, for tests: pages with continue tokens, resource versions, bookmarks, and every
 * way of going wrong that a test asks for. What a real one would refuse, it refuses. Selectors are recorded, not applied.
 */
export class TestApiServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = []
  /** Events that were created. */
  readonly events: Readonly<Record<string, unknown>>[] = []
  /** Statuses for the next attempts to create an Event, instead of 201. */
  readonly eventRefusals: number[] = []
  /** Bearer token that requests need; undefined lets everyone in. */
  token: string | undefined
  readonly #server: http.Server
  readonly #secure: boolean
  /** Its objects and what became of them. */
  readonly history: ApiHistory
  readonly #watchers = new Set<Watcher>()
  readonly #faults: { kind: Kind; verb: 'list' | 'watch'; fault: Fault; times: number }[] = []
  #folder: string | undefined

  private constructor(options: ApiServerOptions) {
    this.token = options.token
    this.history = options.history ?? new ApiHistory()
    this.#secure = options.tls !== undefined
    const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
      this.#answer(request, response)
    }
    const { tls } = options
    this.#server =
      tls === undefined
        ? http.createServer(onRequest)
        : https.createServer(
            {
              cert: tls.cert,
              key: tls.key,
              ...(tls.clientCa === undefined
                ? {}
                : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
            },
            onRequest,
          )
  }

  static async start(options: ApiServerOptions = {}): Promise<TestApiServer> {
    const server = new TestApiServer(options)
    server.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `${this.#secure ? 'https' : 'http'}://${address}:${port}`
  }

  /** Watches that are open now. */
  watchers(kind: Kind): number {
    return [...this.#watchers].filter(watcher => watcher.kind === kind).length
  }

  /** How often a kind was asked for, and by which verb. */
  seen(kind: Kind, verb: 'list' | 'watch'): readonly SeenRequest[] {
    return this.requests.filter(request => request.kind === kind && request.verb === verb)
  }

  /** Adds or replaces an object; watchers are told. */
  set(kind: Kind, object: ApiObject): void {
    this.write(kind, this.history.set(kind, object))
  }

  /** Removes an object; watchers are told. */
  delete(kind: Kind, key: string): void {
    this.write(kind, this.history.delete(kind, key))
  }

  /** Tells watchers the newest version, as the real one does each minute. */
  bookmark(kind: Kind): void {
    this.write(kind, this.history.bookmark(kind))
  }

  /** Ends the watches of a kind with an ERROR event. */
  failWatches(kind: Kind, code: number, reason: string): void {
    this.write(kind, eventLine('ERROR', statusObject(code, reason)))
    this.endWatches(kind)
  }

  /** Ends the watches of a kind as at their time limit. */
  endWatches(kind: Kind): void {
    for (const watcher of this.#of(kind)) {
      this.#watchers.delete(watcher)
      watcher.response.end()
    }
  }

  /** Writes any text into the watches of a kind. */
  write(kind: Kind, text: string): void {
    for (const { response } of this.#of(kind)) response.write(text)
  }

  /** Breaks every connection. */
  dropConnections(): void {
    this.#server.closeAllConnections()
  }

  /** Forgets the past: watches from older versions and continue tokens get 410. */
  compact(): void {
    this.history.compact()
  }

  /** The next requests of this sort get a fault. */
  inject(kind: Kind, verb: 'list' | 'watch', fault: Fault, times = 1): void {
    this.#faults.push({ kind, verb, fault, times })
  }

  /**
   * Writes a kubeconfig for this server to a file that goes with the server, and gives its path.
   * @param fields what replaces parts of the cluster and the user, by the names of the kubeconfig.
   */
  async writeKubeconfig(
    fields: {
      cluster?: Readonly<Record<string, unknown>>
      user?: Readonly<Record<string, unknown>>
    } = {},
  ): Promise<string> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'api-server-'))
    const path = join(this.#folder, 'kubeconfig')
    const user = this.token === undefined ? {} : { token: this.token }
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: this.url, ...fields.cluster } }],
      users: [{ name: 'test', user: { ...user, ...fields.user } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      'current-context': 'test',
    }
    await writeFile(path, JSON.stringify(config, undefined, 2), { mode: 0o600 })
    return path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) {
      const closed = once(this.#server, 'close')
      this.#server.close()
      this.#server.closeAllConnections()
      await closed
    }
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true })
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '', 'http://localhost')
    const kind = (Object.keys(paths) as Kind[]).find(name => paths[name] === url.pathname)
    if (kind === undefined && EVENTS_PATH.test(url.pathname)) {
      void this.#takeEvent(request, response, url.pathname)
      return
    }
    const [, node] = NODE_PATH.exec(url.pathname) ?? []
    if (node !== undefined && this.#knows(request)) {
      const get = () => this.history.get('Node', node)
      void answerNode({ get, set: object => this.set('Node', object) }, request, response)
      return
    }
    if (kind === undefined) return refuse(response, 404, 'NotFound')
    if (request.method !== 'GET') return refuse(response, 405, 'MethodNotAllowed')
    const query = Object.fromEntries(url.searchParams)
    const verb = query['watch'] === 'true' ? 'watch' : 'list'
    const certificate = this.#secure
      ? (request.socket as TLSSocket).getPeerCertificate()
      : undefined
    const certificateName = certificate?.subject?.CN
    this.requests.push({
      kind,
      verb,
      query,
      headers: request.headers,
      certificateName: Array.isArray(certificateName) ? certificateName[0] : certificateName,
    })
    const problem = queryProblem(verb, query)
    if (problem !== undefined) return refuse(response, 400, 'BadRequest', problem)
    const { accept } = request.headers
    if (accept !== 'application/json') return refuse(response, 406, 'NotAcceptable')
    if (!this.#knows(request)) return refuse(response, 401, 'Unauthorized')
    let fault = this.#takeFault(kind, verb)
    if (fault !== undefined && 'status' in fault) {
      return refuse(response, fault.status, fault.reason ?? 'Injected', undefined, fault.headers)
    }
    if (fault !== undefined && 'before' in fault) {
      fault.before()
      fault = undefined
    }
    if (verb === 'list') this.#list(kind, query, response, fault)
    else this.#watch(kind, query, response, fault)
  }

  #knows({ headers }: http.IncomingMessage): boolean {
    return this.token === undefined || headers.authorization === `Bearer ${this.token}`
  }

  /** Takes what the real one would: an Event in its namespace, by who shows the token. */
  async #takeEvent(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    path: string,
  ): Promise<void> {
    const chunks = await Array.fromAsync(request)
    const refusal = this.eventRefusals.shift()
    if (refusal !== undefined) return refuse(response, refusal, 'Injected')
    if (request.method !== 'POST') return refuse(response, 405, 'MethodNotAllowed')
    if (!this.#knows(request)) return refuse(response, 401, 'Unauthorized')
    const event = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as ApiObject
    const [, namespace] = EVENTS_PATH.exec(path) ?? []
    if (event.metadata.namespace !== namespace) return refuse(response, 400, 'BadRequest')
    this.events.push(event as never)
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(event))
  }

  #list(
    kind: Kind,
    query: Readonly<Record<string, string>>,
    response: http.ServerResponse,
    fault: Fault | undefined,
  ): void {
    const page = this.history.page(kind, query['limit'], query['continue'])
    if (page === undefined) return refuse(response, 410, 'Expired')
    response.setHeader('content-type', 'application/json')
    void send(response, JSON.stringify(page), fault)
  }

  #watch(
    kind: Kind,
    query: Readonly<Record<string, string>>,
    response: http.ServerResponse,
    fault: Fault | undefined,
  ): void {
    const lines = this.history.since(kind, Number(query['resourceVersion']))
    response.setHeader('content-type', 'application/json')
    if (lines === undefined) {
      // The real one, too, accepts such a watch and ends it with an event.
      response.end(eventLine('ERROR', statusObject(410, 'Expired')))
      return
    }
    if (fault !== undefined) {
      void send(response, '', fault)
      return
    }
    response.flushHeaders()
    for (const line of lines) response.write(line)
    const watcher = { kind, response }
    this.#watchers.add(watcher)
    const limit = setTimeout(() => response.end(), Number(query['timeoutSeconds']) * 1000)
    response.on('close', () => {
      clearTimeout(limit)
      this.#watchers.delete(watcher)
    })
  }

  #takeFault(kind: Kind, verb: 'list' | 'watch'): Fault | undefined {
    const found = this.#faults.find(
      fault => fault.kind === kind && fault.verb === verb && fault.times > 0,
    )
    if (found !== undefined) found.times--
    return found?.fault
  }

  #of(kind: Kind): readonly Watcher[] {
    return [...this.#watchers].filter(watcher => watcher.kind === kind)
  }
}
