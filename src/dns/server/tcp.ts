import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { frame, splitMessages } from './framing.ts'
import {
  isWithoutIpv6,
  type Listener,
  type ListenerOptions,
  type PacketHandler,
  type PacketOrigin,
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

/** CoreDNS has no bound; here a flood of connections cannot take all memory. Per listening socket. */
const MAX_CONNECTIONS = 1024

/** The connections of a listener, and those of them that wait for their next query. */
type Connections = { readonly all: Set<Socket>; readonly idle: Set<Socket> }

/** Listens on TCP. @throws the system error of a failed bind. */
export async function listenTcp({
  address,
  port,
  handle,
  limits,
}: ListenerOptions): Promise<Listener> {
  await using undo = new AsyncDisposableStack()
  const connections: Connections = { all: new Set(), idle: new Set() }
  const servers: Server[] = []
  for (const host of address === undefined ? wildcards : [address]) {
    const server = await bind(host, port, socket => {
      connections.all.add(socket)
      void serveConnection(
        socket,
        { handle, limits: { ...DEFAULT_LIMITS, ...limits?.() } },
        connections,
      )
    })
    if (server === undefined) continue
    undo.defer(() => closeServer(server))
    servers.push(server)
  }
  const cleanup = undo.move()
  return {
    stopTaking() {
      for (const server of servers) if (server.listening) server.close()
      // A connection that waits for its next query has nothing more to say.
      for (const socket of connections.idle) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of connections.all) socket.destroy()
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
  server.maxConnections = MAX_CONNECTIONS
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

/** Answers the queries of one connection, one after the other, in order (CoreDNS does the same). */
async function serveConnection(
  socket: Socket,
  { handle, limits }: { readonly handle: PacketHandler; readonly limits: StreamLimits },
  { all, idle }: Connections,
): Promise<void> {
  // Errors end the iteration; without a listener they would end the process.
  socket.on('error', () => undefined)
  socket.once('close', () => {
    all.delete(socket)
    idle.delete(socket)
  })
  const ends = originOf(socket)
  if (ends === undefined) return void socket.destroy()
  let stream: Buffer = Buffer.alloc(0)
  let queries = 0
  const limit = new Deadline(socket)
  const send = async (packet: Uint8Array): Promise<void> => {
    limit.set(limits.writeMs)
    await write(socket, frame(packet))
    limit.clear()
  }
  const origin = { ...ends, send }
  limit.set(limits.readMs)
  idle.add(socket)
  try {
    // Reading waits while an answer is made or written: a client cannot queue more than one segment.
    for await (const segment of socket as AsyncIterable<Buffer>) {
      const { messages, rest } = splitMessages(Buffer.concat([stream, segment]))
      stream = rest
      for (const message of messages) {
        limit.clear()
        idle.delete(socket)
        const answer = await handle(message, origin)
        limit.set(limits.writeMs)
        if (answer !== undefined) await write(socket, frame(answer))
        if (++queries >= limits.maxQueries) return void socket.end()
        limit.set(limits.idleMs)
        if (!socket.destroyed) idle.add(socket)
      }
    }
    socket.end()
  } catch {
    socket.destroy()
  } finally {
    limit.clear()
  }
}

function originOf(socket: Socket): PacketOrigin | undefined {
  const client = parseIp(socket.remoteAddress ?? '') ?? withoutZone(socket.remoteAddress)
  const server = parseIp(socket.localAddress ?? '') ?? withoutZone(socket.localAddress)
  if (client === undefined || server === undefined) return undefined
  return {
    transport: 'tcp',
    client: { address: client, port: socket.remotePort ?? 0 },
    server: { address: server, port: socket.localPort ?? 0 },
  }
}

/** A link-local address without the interface it came by (`fe80::1%eth0`). */
const withoutZone = (text: string | undefined): IpAddress | undefined =>
  text === undefined ? undefined : parseIp(text.replace(/%.*$/, ''))

const write = (socket: Socket, octets: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.write(octets, error => (error ? reject(error) : resolve()))
  })

/** Cuts a connection that takes too long. */
class Deadline {
  readonly #socket: Socket
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  set(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#socket.destroy(), ms)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
