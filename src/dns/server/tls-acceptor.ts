import { appendFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { TlsSettings } from '../plugins/tls/plugin.ts'
import type { Connections } from './connections.ts'
import type { ListenerOptions } from './listener.ts'
import { limitsOf } from './stream-listener.ts'

type AcceptorOptions = {
  readonly options: ListenerOptions
  readonly connections: Connections
  /** Names for ALPN (RFC 7301), the best one first. */
  readonly protocols: readonly string[]
}

/**
 * Takes accepted connections, does the handshake and hands them on. It asks for the settings of the moment each time: a reload
 * changes the certificate and who is let in, and connections that are open stay as they are. A connection in its handshake makes room
 * as an idle one does.
 */
export function tlsAcceptor(
  { options, connections, protocols }: AcceptorOptions,
  onSecure: (socket: TLSSocket) => void,
): (socket: Socket) => void {
  /** By both ends: node:tls does not say which connection an encrypted one goes over. */
  const shakingHands = new Map<string, Socket>()
  const endHandshake = (ends: string): void => {
    const socket = shakingHands.get(ends)
    if (socket === undefined) return
    shakingHands.delete(ends)
    connections.busy(socket)
  }
  let made: { readonly settings: TlsSettings; readonly server: Server } | undefined
  return socket => {
    const settings = options.tls?.()
    if (settings === undefined) {
      socket.destroy()
      return
    }
    if (made?.settings !== settings) {
      const handshakeTimeout = limitsOf(options).readMs
      const server = secureServer({ settings, protocols, handshakeTimeout }, encrypted => {
        endHandshake(endsOf(encrypted))
        onSecure(encrypted)
      })
      made = { settings, server }
    }
    const ends = endsOf(socket)
    shakingHands.set(ends, socket)
    connections.idle(socket)
    socket.once('close', () => endHandshake(ends))
    // A server of node:tls that does not listen itself takes connections by this event.
    made.server.emit('connection', socket)
  }
}

const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`

type SecureOptions = {
  readonly settings: TlsSettings
  readonly protocols: readonly string[]
  /** Milliseconds. */
  readonly handshakeTimeout: number
}

function secureServer(
  { settings, protocols, handshakeTimeout }: SecureOptions,
  onSecure: (socket: TLSSocket) => void,
): Server {
  const { context, requestCert, rejectUnauthorized, rejectBad, keylog } = settings
  const server = createServer({
    ...context,
    requestCert,
    rejectUnauthorized,
    ALPNProtocols: [...protocols],
    allowHalfOpen: true,
    handshakeTimeout,
  })
  server.on('tlsClientError', (_, socket) => void socket.destroy())
  server.on('secureConnection', socket => {
    socket.on('error', () => undefined)
    const isBad = !socket.authorized && socket.getPeerX509Certificate() !== undefined
    if (rejectBad && isBad) socket.destroy()
    else onSecure(socket)
  })
  if (keylog !== undefined) {
    // For debugging only: what cannot be written is not missed.
    server.on('keylog', line => void appendFile(keylog, line, { mode: 0o600 }).catch(() => {}))
  }
  return server
}
