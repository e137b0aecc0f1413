import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { SecureContextOptions } from 'node:tls'
import { formatHostPort } from '#net/ip.ts'
import type { Accept } from './exchange.ts'
import type { UpstreamServer } from './targets.ts'
import { ForwardError } from './upstream-message.ts'

const PATH = '/dns-query'
const MEDIA_TYPE = 'application/dns-message'
/** The longest DNS message. */
const MAX_BODY_OCTETS = 65_535

type Options = {
  readonly method: 'GET' | 'POST'
  readonly tls: SecureContextOptions
  readonly expireMs: number
  readonly maxAgeMs: number
  readonly sourceAddress: string | undefined
  readonly onTaken: (reused: boolean) => void
}

/** DNS over HTTPS (RFC 8484) to one server: one HTTP/2 connection for all exchanges, opened when needed. */
export class DohSession {
  readonly #server: UpstreamServer
  readonly #options: Options
  #session: ClientHttp2Session | undefined
  #openedMs = 0

  constructor(server: UpstreamServer, options: Options) {
    this.#server = server
    this.#options = options
  }

  /** One exchange. Rejects as `TcpConnection` does, and with {@link ForwardError} for an answer that is not DNS. */
  async exchange<T>(packet: Uint8Array, accept: Accept<T>, signal: AbortSignal): Promise<T> {
    const stream = this.#request(packet)
    const onAbort = () => stream.destroy(signal.reason as Error)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = accept(await readBody(stream))
      if (answer === undefined) throw new ForwardError('the answer is to another question')
      return answer
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  close(): void {
    this.#session?.destroy()
  }

  #request(packet: Uint8Array): ClientHttp2Stream {
    const { method } = this.#options
    const session = this.#open()
    const common = {
      ':method': method,
      ':authority': authorityOf(this.#server),
      accept: MEDIA_TYPE,
    }
    if (method === 'GET') {
      const query = Buffer.from(packet).toString('base64url')
      return session.request({ ...common, ':path': `${PATH}?dns=${query}` })
    }
    const headers = { 'content-type': MEDIA_TYPE, 'content-length': packet.length }
    const stream = session.request({ ...common, ...headers, ':path': PATH })
    stream.end(packet)
    return stream
  }

  #open(): ClientHttp2Session {
    const { onTaken, maxAgeMs } = this.#options
    const now = performance.now()
    const isUsable =
      this.#session !== undefined &&
      !this.#session.closed &&
      !this.#session.destroyed &&
      now - this.#openedMs < maxAgeMs
    onTaken(isUsable)
    if (isUsable && this.#session !== undefined) return this.#session
    // What is under way on an old one ends by itself.
    this.#session?.close()
    this.#openedMs = now
    this.#session = this.#connect()
    return this.#session
  }

  #connect(): ClientHttp2Session {
    const { tls, expireMs, sourceAddress } = this.#options
    const { address, port, serverName } = this.#server
    const session = connect(`https://${authorityOf(this.#server)}`, {
      ...tls,
      host: address,
      port,
      servername: serverName ?? '',
      ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
    })
    // Exchanges hear of it through their streams.
    session.on('error', () => undefined)
    session.on('goaway', () => session.close())
    session.setTimeout(expireMs, () => session.close())
    session.unref()
    return session
  }
}

const authorityOf = ({ address, port, serverName }: UpstreamServer): string =>
  serverName === undefined ? formatHostPort(address, port) : `${serverName}:${port}`

function readBody(stream: ClientHttp2Stream): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const chunks: Buffer[] = []
  let length = 0
  stream.on('response', headers => {
    const status = String(headers[constants.HTTP2_HEADER_STATUS])
    const type = String(headers[constants.HTTP2_HEADER_CONTENT_TYPE] ?? 'none')
    if (status === '200' && type === MEDIA_TYPE) return
    reject(new ForwardError(`HTTP status ${status}, content type ${type}`))
    stream.close()
  })
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= MAX_BODY_OCTETS) chunks.push(chunk)
    else stream.destroy(new ForwardError('the answer is longer than a DNS message can be'))
  })
  stream.on('end', () => resolve(Buffer.concat(chunks)))
  stream.on('error', reject)
  stream.on('close', () => reject(new ForwardError('the server closed the connection')))
  return promise
}
