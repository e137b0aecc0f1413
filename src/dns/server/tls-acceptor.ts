import { appendFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { TlsSettings } from '../plugins/tls/plugin.ts'
import type { ListenerOptions } from './listener.ts'
import { limitsOf } from './stream-listener.ts'

/**
 * Takes accepted connections, does the handshake and hands them on. It asks for the settings of the moment each time: a reload
 * changes the certificate and who is let in, and connections that are open stay as they are.
 * @param protocols names for ALPN (RFC 7301), the best one first.
 */
export function tlsAcceptor(
  options: ListenerOptions,
  protocols: readonly string[],
  onSecure: (socket: TLSSocket) => void,
): (socket: Socket) => void {
  let made: { readonly settings: TlsSettings; readonly server: Server } | undefined
  return socket => {
    const settings = options.tls?.()
    if (settings === undefined) {
      socket.destroy()
      return
    }
    if (made?.settings !== settings) {
      const handshakeTimeout = limitsOf(options).readMs
      const server = secureServer({ settings, protocols, handshakeTimeout, onSecure })
      made = { settings, server }
    }
    // A server of node:tls that does not listen itself takes connections by this event.
    made.server.emit('connection', socket)
  }
}

type SecureOptions = {
  readonly settings: TlsSettings
  readonly protocols: readonly string[]
  /** Milliseconds. */
  readonly handshakeTimeout: number
  readonly onSecure: (socket: TLSSocket) => void
}

function secureServer({ settings, protocols, handshakeTimeout, onSecure }: SecureOptions): Server {
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
