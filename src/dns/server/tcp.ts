import { serveDnsStream } from './dns-stream.ts'
import type { Listener, ListenerOptions } from './listener.ts'
import { limitsOf, listenStream } from './stream-listener.ts'
import { tlsAcceptor } from './tls-acceptor.ts'

/** CoreDNS has no bound; here a flood of connections cannot take all memory. */
const MAX_CONNECTIONS = 1024

/** Listens on TCP. @throws the system error of a failed bind. */
export const listenTcp = (options: ListenerOptions): Promise<Listener> =>
  listenStream(options, {
    maxConnections: MAX_CONNECTIONS,
    start: connections => socket => {
      serveDnsStream(socket, { handle: options.handle, limits: limitsOf(options), connections })
    },
  })

/**
 * Listens for DNS over TLS (RFC 7858). A client that names other protocols than `dot` (RFC 7858 section 7.1) is turned away: it
 * meant another server.
 * @throws the system error of a failed bind.
 */
export const listenTls = (options: ListenerOptions): Promise<Listener> =>
  listenStream(options, {
    maxConnections: MAX_CONNECTIONS,
    start: connections =>
      tlsAcceptor({ options, connections, protocols: ['dot'] }, socket => {
        serveDnsStream(socket, { handle: options.handle, limits: limitsOf(options), connections })
      }),
  })
