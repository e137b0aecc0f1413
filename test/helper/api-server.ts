import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import type { Kind } from '#cluster/objects.ts'

/** An object as the API has it. */
export type ApiObject = {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** One request as it arrived. */
export type SeenRequest = {
  readonly kind: Kind
  readonly verb: 'list' | 'watch'
  readonly query: Readonly<Record<string, string>>
  readonly headers: http.IncomingHttpHeaders
  /** Common name of the client's certificate. */
  readonly certificateName: string | undefined
}

/** What a test does to a request instead of the usual answer. */
export type Fault =
  /** A refusal with a Status object. */
  | {
      readonly status: number
      readonly reason?: string
      readonly headers?: http.OutgoingHttpHeaders
    }
  /** The connection is closed before the answer, or after so many bytes of it. */
  | { readonly dropAfterBytes: number }
  /** The answer stops after so many bytes, and the connection stays. */
  | { readonly stallAfterBytes: number }
  /** This text instead of the answer's body. */
  | { readonly body: string }
  /** Called first; then the usual answer. */
  | { readonly before: () => void }
  /** The body in pieces of so many bytes, each in a turn of its own. */
  | { readonly trickleBytes: number }

export type ApiServerOptions = {
  readonly tls?: {
    readonly cert: string
    readonly key: string
    /** Authority of client certificates; who shows none is refused. */
    readonly clientCa?: string
  }
  /** Requests need this bearer token, if given; it may be changed while the server runs. */
  readonly token?: string
  /** 0 picks one. A server that comes back on the same port is how an outage ends. */
  readonly port?: number
}

const paths: { readonly [K in Kind]: string } = {
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Node: '/api/v1/nodes',
  Namespace: '/api/v1/namespaces',
  Pod: '/api/v1/pods',
}
const listParameters = ['labelSelector', 'fieldSelector', 'limit', 'continue']
const watchParameters = [
  'labelSelector',
  'fieldSelector',
  'watch',
  'allowWatchBookmarks',
  'resourceVersion',
  'timeoutSeconds',
]

type Watcher = { readonly kind: Kind; readonly response: http.ServerResponse }
type LoggedEvent = { readonly kind: Kind; readonly version: number; readonly line: string }

/**
 * An API server that knows list and watch, for tests: pages with continue tokens, resource versions, bookmarks, and every
 * way of going wrong that a test asks for. What a real one would refuse, it refuses. Selectors are recorded, not applied.
 */
export class TestApiServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = []
  /** Bearer token that requests need; undefined lets everyone in. */
  token: string | undefined
  readonly #server: http.Server
  readonly #secure: boolean
  readonly #objects = new Map<Kind, Map<string, ApiObject>>()
  readonly #watchers = new Set<Watcher>()
  readonly #faults: { kind: Kind; verb: 'list' | 'watch'; fault: Fault; times: number }[] = []
  readonly #snapshots = new Map<
    string,
    { readonly items: readonly ApiObject[]; readonly version: number }
  >()
  #events: LoggedEvent[] = []
  #version = 1000
  #oldest = 1000
  #folder: string | undefined

  private constructor(options: ApiServerOptions) {
    this.token = options.token
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
    server.#server.listen(options.port ?? 0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#secure ? 'https' : 'http'}://127.0.0.1:${this.port}`
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
    const objects = this.#all(kind)
    const key = keyOf(object)
    const type = objects.has(key) ? 'MODIFIED' : 'ADDED'
    const versioned = this.#stamp(object)
    objects.set(key, versioned)
    this.#tell(kind, type, versioned)
  }

  /** Removes an object; watchers are told. */
  delete(kind: Kind, key: string): void {
    const object = this.#all(kind).get(key)
    if (object === undefined) throw new Error(`${kind} ${key} is not there`)
    this.#all(kind).delete(key)
    this.#tell(kind, 'DELETED', this.#stamp(object))
  }

  /** Tells watchers the newest version, as the real one does each minute. */
  bookmark(kind: Kind): void {
    this.#version++
    const object = { kind, metadata: { resourceVersion: String(this.#version) } }
    this.write(kind, `${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  /** Ends the watches of a kind with an ERROR event. */
  failWatches(kind: Kind, code: number, reason: string): void {
    const object = statusObject(code, reason)
    this.write(kind, `${JSON.stringify({ type: 'ERROR', object })}\n`)
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
    this.#oldest = this.#version + 1
    this.#version++
    this.#events = []
    this.#snapshots.clear()
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
    const { accept, authorization } = request.headers
    if (accept !== 'application/json') return refuse(response, 406, 'NotAcceptable')
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) {
      return refuse(response, 401, 'Unauthorized')
    }
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

  #list(
    kind: Kind,
    query: Readonly<Record<string, string>>,
    response: http.ServerResponse,
    fault: Fault | undefined,
  ): void {
    let version = this.#version
    let items: readonly ApiObject[] = [...this.#all(kind).values()]
    let offset = 0
    if (query['continue'] !== undefined) {
      const [snapshot = '', position] = query['continue'].split('.')
      const remembered = this.#snapshots.get(snapshot)
      if (remembered === undefined) return refuse(response, 410, 'Expired')
      ;({ items, version } = remembered)
      offset = Number(position)
    }
    const limit = query['limit'] === undefined ? items.length : Number(query['limit'])
    const end = offset + limit
    const more = end < items.length
    const snapshot = `${kind}${version}`
    if (more) this.#snapshots.set(snapshot, { items, version })
    const metadata = {
      resourceVersion: String(version),
      ...(more ? { continue: `${snapshot}.${end}`, remainingItemCount: items.length - end } : {}),
    }
    const apiVersion = kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1'
    const page = { kind: `${kind}List`, apiVersion, metadata, items: items.slice(offset, end) }
    response.setHeader('content-type', 'application/json')
    void send(response, JSON.stringify(page), fault)
  }

  #watch(
    kind: Kind,
    query: Readonly<Record<string, string>>,
    response: http.ServerResponse,
    fault: Fault | undefined,
  ): void {
    const from = Number(query['resourceVersion'])
    response.setHeader('content-type', 'application/json')
    if (from < this.#oldest) {
      // The real one, too, accepts such a watch and ends it with an event.
      const object = statusObject(410, 'Expired')
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
      return
    }
    if (fault !== undefined) {
      void send(response, '', fault)
      return
    }
    response.flushHeaders()
    for (const event of this.#events) {
      if (event.kind === kind && event.version > from) response.write(event.line)
    }
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

  #tell(kind: Kind, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: ApiObject): void {
    const line = `${JSON.stringify({ type, object: { kind, ...object } })}\n`
    this.#events.push({ kind, version: this.#version, line })
    this.write(kind, line)
  }

  #stamp(object: ApiObject): ApiObject {
    const resourceVersion = String(++this.#version)
    return { ...object, metadata: { ...object.metadata, resourceVersion } }
  }

  #all(kind: Kind): Map<string, ApiObject> {
    const objects = this.#objects.get(kind) ?? new Map<string, ApiObject>()
    this.#objects.set(kind, objects)
    return objects
  }

  #of(kind: Kind): readonly Watcher[] {
    return [...this.#watchers].filter(watcher => watcher.kind === kind)
  }
}

const keyOf = ({ metadata: { name, namespace } }: ApiObject): string =>
  namespace === undefined ? name : `${namespace}/${name}`

function queryProblem(
  verb: 'list' | 'watch',
  query: Readonly<Record<string, string>>,
): string | undefined {
  const known = verb === 'watch' ? watchParameters : listParameters
  const unknown = Object.keys(query).find(name => !known.includes(name))
  if (unknown !== undefined) return `${verb} does not take ${unknown}`
  if (verb === 'list') {
    return query['limit'] === undefined || /^[1-9]\d*$/.test(query['limit'])
      ? undefined
      : 'limit is no number'
  }
  if (!/^[1-9]\d*$/.test(query['resourceVersion'] ?? '')) return 'watch without resourceVersion'
  return /^[1-9]\d*$/.test(query['timeoutSeconds'] ?? '') ? undefined : 'watch without timeout'
}

const statusObject = (code: number, reason: string, message = reason) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
})

function refuse(
  response: http.ServerResponse,
  code: number,
  reason: string,
  message?: string,
  headers: http.OutgoingHttpHeaders = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(statusObject(code, reason, message)))
}

async function send(
  response: http.ServerResponse,
  body: string,
  fault: Fault | undefined,
): Promise<void> {
  if (fault === undefined || 'before' in fault) {
    response.end(body)
  } else if ('body' in fault) {
    response.end(fault.body)
  } else if ('trickleBytes' in fault) {
    const { trickleBytes } = fault
    for (let at = 0; at < body.length; at += trickleBytes) {
      response.write(body.slice(at, at + trickleBytes))
      await new Promise(resolve => setImmediate(resolve))
    }
    response.end()
  } else if ('stallAfterBytes' in fault) {
    response.flushHeaders()
    if (fault.stallAfterBytes > 0) response.write(body.slice(0, fault.stallAfterBytes))
  } else if ('dropAfterBytes' in fault) {
    if (fault.dropAfterBytes === 0) response.destroy()
    else response.write(body.slice(0, fault.dropAfterBytes), () => response.destroy())
  }
}
