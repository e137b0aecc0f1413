import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { IpAddress } from '#net/ip.ts'
import { Connections } from './connections.ts'
import {
  isWithoutIpv6,
  type Listener,
  type ListenerOptions,
  type StreamLimits,
  wildcards,
} from './listener.ts'

/** CoreDNS's defaults (RFC 7766 section 6.2.3). */
const DEFAULT_LIMITS: StreamLimits = {
  readMs: 3_000,
  idleMs: 10_000,
  writeMs: 5_000,
  maxQueries: Number.POSITIVE_INFINITY,
}

/** What serves the connections of a listener. */
export type StreamService = {
  /** Connections at one time, where the limits of the listener do not say it. */
  readonly maxConnections: number
  /** Gives what takes a new connection. */
  readonly start: (connections: Connections) => (socket: Socket) => void
}

/** The limits of the moment: a reload changes them for new connections. */
export const limitsOf = ({ limits }: ListenerOptions): StreamLimits => ({
  ...DEFAULT_LIMITS,
  ...limits?.(),
})

/** Listens for connections. @throws the system error of a failed bind. */
export async function listenStream(
  options: ListenerOptions,
  { maxConnections, start }: StreamService,
): Promise<Listener> {
  await using undo = new AsyncDisposableStack()
  const { address, port } = options
  const connections = new Connections(() => limitsOf(options).maxConnections ?? maxConnections)
  const serve = start(connections)
  const servers: Server[] = []
  for (const host of address === undefined ? wildcards : [address]) {
    const server = await bind(host, port, socket => {
      if (connections.admit(socket)) serve(socket)
    })
    if (server === undefined) continue
    undo.defer(() => closeServer(server))
    servers.push(server)
  }
  const cleanup = undo.move()
  return {
    stopTaking() {
      for (const server of servers) if (server.listening) server.close()
      connections.cutIdle()
    },
    async [Symbol.asyncDispose]() {
      connections.cutAll()
      await cleanup[Symbol.asyncDispose]()
    },
  }
}

/** undefined: the machine has no IPv6. */
async function bind(
  host: IpAddress,
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<Server | undefined> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, onConnection)
  try {
    server.listen({ host, port, ipv6Only: host === '::' })
    await once(server, 'listening')
    return server
  } catch (error) {
    if (isWithoutIpv6(host, error)) return undefined
    throw error
  }
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  server.close()
  await once(server, 'close')
}
