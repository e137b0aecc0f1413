import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { compareIps, familyOf, type IpAddress, parseIp } from '#net/ip.ts'
import { errnoCode } from '#runtime/error.ts'
import type { Listener, ListenerOptions, PacketHandler } from './listener.ts'

/**
 * CoreDNS reads into a buffer of 512 octets, so longer queries are cut and fail as malformed. Kept: it bounds the work that a
 * query without a connection can ask for.
 */
const MAX_QUERY_OCTETS = 512

/** A machine may have thousands of addresses (IPVS binds every ClusterIP to an interface); beyond this many the wildcard serves. */
const MAX_OWN_SOCKETS = 64
/** How often a wildcard listener looks for new addresses, milliseconds. */
const RESCAN_MS = 5_000

/** Listens on UDP by dgram. @throws the system error of a failed bind. */
export async function listenUdp(options: ListenerOptions): Promise<Listener> {
  const { address, port, handle } = options
  if (address !== undefined)
    return listenerOf([await open({ address, port, handle, shared: false })])
  return listenEverywhere(port, handle)
}

/**
 * Every address of the machine. An answer must leave by the address that was asked, or the client drops it, and dgram cannot choose
 * the source of a datagram. So every address gets a socket of its own, which the kernel prefers, and wildcard sockets take what is
 * left: addresses that came up since the last look and the rest of 127.0.0.0/8. Their answers leave by the address that routing
 * picks. SO_REUSEADDR lets the sockets coexist; that a port is taken is seen by the TCP listener.
 */
async function listenEverywhere(port: number, handle: PacketHandler): Promise<Listener> {
  const sockets = new Map<string, Socket>()
  for (const address of ['0.0.0.0', '::'] as IpAddress[]) {
    try {
      sockets.set(address, await open({ address, port, handle, shared: true }))
    } catch (error) {
      if (address !== '::' || errnoCode(error) !== 'EAFNOSUPPORT') throw error
    }
  }
  const look = async (): Promise<void> => {
    const addresses = new Set(localAddresses().slice(0, MAX_OWN_SOCKETS))
    for (const [address, socket] of sockets) {
      if (isWildcard(address) || addresses.has(address as IpAddress)) continue
      sockets.delete(address)
      closeSocket(socket)
    }
    for (const address of addresses) {
      if (sockets.has(address)) continue
      try {
        sockets.set(address, await open({ address, port, handle, shared: true }))
      } catch {
        // Not usable yet (an IPv6 address under duplicate detection) or no more: the wildcard serves until the next look.
      }
    }
  }
  await look()
  const timer = setInterval(() => void look(), RESCAN_MS)
  timer.unref()
  const listener = listenerOf(sockets.values())
  return {
    stopTaking() {
      clearInterval(timer)
      for (const socket of sockets.values()) socket.removeAllListeners('message')
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await listener[Symbol.asyncDispose]()
    },
  }
}

const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'

/** Link-local addresses are left to the wildcard: there is one per interface, and routing picks it as source anyway. */
function localAddresses(): readonly IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .map(({ address }) => parseIp(address))
    .filter(address => address !== undefined)
    .filter(address => !address.startsWith('fe80:'))
    .sort(compareIps)
}

function listenerOf(sockets: Iterable<Socket>): Listener {
  return {
    stopTaking() {
      for (const socket of sockets) socket.removeAllListeners('message')
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) closeSocket(socket)
    },
  }
}

type OpenOptions = { address: IpAddress; port: number; handle: PacketHandler; shared: boolean }

async function open({ address, port, handle, shared }: OpenOptions): Promise<Socket> {
  const isIPv6 = familyOf(address) === 6
  const socket = createSocket({
    type: isIPv6 ? 'udp6' : 'udp4',
    reuseAddr: shared,
    ipv6Only: isIPv6,
  })
  try {
    socket.bind({ address, port })
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  // ICMP errors for answers that nobody waits for any more.
  socket.on('error', () => undefined)
  socket.on('message', (packet, remote) => void answer(socket, packet, remote))
  const server = { address, port }
  async function answer(from: Socket, packet: Buffer, remote: RemoteInfo): Promise<void> {
    const client = parseIp(remote.address.replace(/%.*$/, ''))
    if (client === undefined) return
    const origin = {
      transport: 'udp',
      client: { address: client, port: remote.port },
      server,
    } as const
    const reply = await handle(packet.subarray(0, MAX_QUERY_OCTETS), origin)
    if (reply === undefined || closed.has(from)) return
    from.send(reply, remote.port, remote.address, () => undefined)
  }
  return socket
}

/** dgram throws when a closed socket is used; an answer may come after its listener went. */
const closed = new WeakSet<Socket>()

function closeSocket(socket: Socket): void {
  if (closed.has(socket)) return
  closed.add(socket)
  socket.close()
}
