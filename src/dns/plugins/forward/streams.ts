import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type SecureContextOptions } from 'node:tls'
import { DohSession } from './doh-session.ts'
import type { Accept } from './exchange.ts'
import type { UpstreamServer } from './targets.ts'
import { TcpConnections } from './tcp-connections.ts'

/** Exchanges with one server by connections that are kept open a while. */
export type Streams = {
  exchange<T>(packet: Uint8Array, accept: Accept<T>, signal: AbortSignal): Promise<T>
  close(): void
}

/** How connections are made and kept. */
export type StreamOptions = {
  readonly expireMs: number
  readonly maxAgeMs: number
  readonly maxIdleConnections: number
  readonly dohMethod: 'GET' | 'POST'
  readonly tls: SecureContextOptions
  readonly tlsServerName: string | undefined
  readonly sourceAddress: string | undefined
}

/** TCP, TLS (RFC 7858) or HTTPS (RFC 8484), as the server is spoken to. */
export function streamsTo(
  server: UpstreamServer,
  options: StreamOptions,
  onTaken: (reused: boolean) => void,
): Streams {
  const { dohMethod, tlsServerName } = options
  const named = { ...server, serverName: server.serverName ?? tlsServerName }
  if (server.protocol === 'https') {
    return new DohSession(named, { ...options, method: dohMethod, onTaken })
  }
  return new TcpConnections({ ...options, onTaken, dial: () => dial(named, options) })
}

function dial(
  { address, port, protocol, serverName }: UpstreamServer,
  { tls, sourceAddress }: StreamOptions,
): Socket {
  const place = {
    host: address,
    port,
    ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
  }
  if (protocol !== 'tls') return connectTcp({ ...place, noDelay: true })
  // Without a name the certificate must be for the address.
  const socket = connectTls({
    ...tls,
    ...place,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ALPNProtocols: ['dot'],
  })
  return socket.setNoDelay(true)
}
