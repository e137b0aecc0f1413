import * as http from 'node:http'
import * as https from 'node:https'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import { Raw } from '../raw.ts'
import { ApiError } from './api-error.ts'
import type { Credential } from './credentials.ts'
import type { ApiServer } from './server.ts'

export type ApiRequest = {
  /** Below the server's URL, for example `/api/v1/services`. */
  readonly path: string
  /** What is undefined is left out. */
  readonly query: Readonly<Record<string, string | number | undefined>>
  /** From asking to the head of the answer. */
  readonly answerMs: number
  /** Longest pause inside the body. */
  readonly silenceMs: number
  /** Longest time for the body. */
  readonly bodyMs: number
  readonly signal: AbortSignal
  /** The object to be created, as JSON: makes it a POST. */
  readonly json?: string | undefined
  /** Makes {@link json} a merge patch (RFC 7396) of the object at the path. */
  readonly isPatch?: true | undefined
}

/** What became of one request, for `rest_client_requests_total`. */
export type RequestOutcome = {
  /** The status, or `<error>` when there was no answer (client-go's word). */
  readonly code: string
  readonly method: string
  /** Host and port. */
  readonly host: string
  /** From asking to the head of the answer. */
  readonly durationMs: number
}

export type ApiClientOptions = {
  readonly userAgent: string
  readonly clock: Clock
  readonly onRequest?: ((outcome: RequestOutcome) => void) | undefined
}

/** Probes of an idle connection begin after this; ten, a second apart, and it is dead (libuv's choice). */
const TCP_KEEPALIVE_MS = 30_000
/** The part of a refusal's body that is read for its message. */
const MAX_STATUS_BYTES = 64 * 1024

/** Requests to one API server over connections that stay open. Dispose it to close them. */
export class ApiClient implements Disposable {
  readonly #server: ApiServer
  readonly #options: ApiClientOptions
  readonly #agent: http.Agent
  readonly #secure: boolean

  constructor(server: ApiServer, options: ApiClientOptions) {
    this.#server = server
    this.#options = options
    this.#secure = server.url.protocol === 'https:'
    const agentOptions = {
      keepAlive: true,
      keepAliveMsecs: TCP_KEEPALIVE_MS,
      maxFreeSockets: 2,
      proxyEnv: server.proxyEnv,
    }
    this.#agent = this.#secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions)
  }

  /** The URL of the server, without what is secret. */
  get origin(): string {
    return this.#server.url.origin
  }

  /**
   * The body of a successful answer. A credential that the server refuses (401) is replaced once, where that is possible.
   * @throws {ApiError} before and while the body is read.
   */
  async get(request: ApiRequest): Promise<AsyncIterable<Uint8Array>> {
    return bodyOf(await this.#ask(request), request)
  }

  /**
   * Creates what the body holds; the answer's body is not read. Credentials as with {@link get}.
   * @throws {ApiError} the server did not answer, or refused.
   */
  async post(request: ApiRequest & { readonly json: string }): Promise<void> {
    const response = await this.#ask(request)
    // Read to its end, or the connection could not be used again.
    for await (const _chunk of bodyOf(response, request));
  }

  /**
   * Changes an object by a merge patch; the answer's body is not read. Credentials as with {@link get}.
   * @throws {ApiError} the server did not answer, or refused: status 409 when `metadata.resourceVersion` of the patch is not the
   * object's any more.
   */
  patch(request: ApiRequest & { readonly json: string }): Promise<void> {
    return this.post({ ...request, isPatch: true })
  }

  async #ask(request: ApiRequest): Promise<http.IncomingMessage> {
    const { credentials } = this.#server
    const credential = await this.#credential(request)
    let response = await this.#send(request, credential)
    if (response.statusCode === 401 && credentials.refused(credential)) {
      response.destroy()
      response = await this.#send(request, await this.#credential(request))
    }
    const status = response.statusCode ?? 0
    if (status < 200 || status > 299) throw await refusal(response, request)
    return response
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #credential({ signal }: ApiRequest): Promise<Credential> {
    try {
      return await this.#server.credentials.get(signal)
    } catch (cause) {
      throw new ApiError('connection', 'get credentials for the API server', { cause })
    }
  }

  async #send(request: ApiRequest, credential: Credential): Promise<http.IncomingMessage> {
    const { clock, onRequest } = this.#options
    const begin = clock.monotonic()
    const told = (code: string) =>
      onRequest?.({
        code,
        method: methodOf(request),
        host: this.#server.url.host,
        durationMs: clock.monotonic() - begin,
      })
    try {
      const response = await headOf(await this.#start(request, credential), request)
      told(String(response.statusCode))
      return response
    } catch (cause) {
      told('<error>')
      throw new ApiError('connection', describe(request), { cause })
    }
  }

  async #start(
    request: ApiRequest,
    { authorization, certificate, key }: Credential,
  ): Promise<http.ClientRequest> {
    const { url, authority, skipTlsVerify, tlsServerName } = this.#server
    const { path, query, signal, json, isPatch } = request
    const target = new URL(url.pathname.replace(/\/$/, '') + path, url)
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) target.searchParams.set(name, String(value))
    }
    const headers: http.OutgoingHttpHeaders = {
      accept: 'application/json',
      'user-agent': this.#options.userAgent,
    }
    if (authorization !== undefined) headers['authorization'] = authorization
    if (json !== undefined) {
      headers['content-type'] = isPatch ? 'application/merge-patch+json' : 'application/json'
    }
    const options = { method: methodOf(request), agent: this.#agent, headers, signal }
    if (!this.#secure) return http.request(target, options).end(json)
    const secure = https.request(target, {
      ...options,
      // Connections are pooled by these, so a renewed certificate opens a new one.
      ca: await authority?.read(),
      cert: certificate,
      key,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: !skipTlsVerify,
      ...(tlsServerName === '' ? {} : { servername: tlsServerName }),
    })
    return secure.end(json)
  }
}

function headOf(request: http.ClientRequest, { answerMs }: ApiRequest) {
  return new Promise<http.IncomingMessage>((resolve, reject) => {
    const timer = setTimeout(() => {
      request.destroy(new Error(`no answer within ${answerMs} ms`))
    }, answerMs)
    request.on('response', resolve)
    // Stays for the life of the request: an error after the answer comes through the response.
    request.on('error', reject)
    request.on('close', () => clearTimeout(timer))
    request.on('response', () => clearTimeout(timer))
  })
}

/** Reads an answer, watching for silence; ends the connection when it is left early. */
async function* bodyOf(
  response: http.IncomingMessage,
  request: ApiRequest,
): AsyncGenerator<Uint8Array> {
  const { silenceMs, bodyMs } = request
  const silent = (why: string) => () =>
    response.destroy(new ApiError('silence', `${describe(request)}: ${why}`))
  const silence = setTimeout(silent(`nothing came for ${silenceMs} ms`), silenceMs)
  const limit = setTimeout(silent(`not done after ${bodyMs} ms`), bodyMs)
  try {
    for await (const chunk of response) {
      silence.refresh()
      yield chunk as Uint8Array
    }
  } catch (cause) {
    throw cause instanceof ApiError
      ? cause
      : new ApiError('connection', describe(request), { cause })
  } finally {
    clearTimeout(silence)
    clearTimeout(limit)
    response.destroy()
  }
}

/** The error for an answer that is none. */
async function refusal(response: http.IncomingMessage, request: ApiRequest): Promise<ApiError> {
  const status = response.statusCode ?? 0
  let text = ''
  try {
    for await (const chunk of bodyOf(response, { ...request, bodyMs: request.answerMs })) {
      text += Buffer.from(chunk).toString()
      if (text.length > MAX_STATUS_BYTES) break
    }
  } catch {
    // The status is the message then.
  }
  return statusError(describe(request), status, text, response.headers['retry-after'])
}

/** The error for a status, with the message of the Status object in the body, if that is one. */
function statusError(what: string, status: number, body: string, retryAfter: string | undefined) {
  const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined
  return new ApiError('status', `${what}: status ${status}${statusMessage(body)}`, {
    status,
    retryAfterMs: seconds === undefined ? undefined : seconds * 1000,
  })
}

function statusMessage(body: string): string {
  try {
    return `: ${new Raw(JSON.parse(body)).get('message').requiredString().slice(0, 500)}`
  } catch {
    const line = body.trim().split('\n')[0]?.slice(0, 100) ?? ''
    return line === '' ? '' : `: ${line}`
  }
}

const methodOf = ({ json, isPatch }: ApiRequest): string =>
  json === undefined ? 'GET' : isPatch ? 'PATCH' : 'POST'

function describe({ path, query, json, isPatch }: ApiRequest): string {
  const reading = query['watch'] === undefined ? 'list' : 'watch'
  const writing = isPatch ? 'change' : 'create in'
  return `${json === undefined ? reading : writing} ${path}`
}

/** For logs: what failed and why, on one line. */
export const describeFailure = (error: unknown): string =>
  describeError(error).replaceAll(/\s+/g, ' ')
