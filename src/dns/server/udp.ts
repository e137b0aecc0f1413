import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { hostAddresses } from '#net/host-addresses.ts'
import { compareIps, familyOf, type IpAddress, isLinkLocal, parseIp } from '#net/ip.ts'
import { isWithoutIpv6, type Listener, type ListenerOptions, wildcards } from './listener.ts'

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
export async function listenUdp({ address, port, handle }: ListenerOptions): Promise<Listener> {
  if (address === undefined) return WildcardListener.open(port, handle)
  return UdpSocket.open({ address, port, handle, isShared: false })
}

/**
 * Every address of the machine. An answer must leave by the address that was asked, or the client drops it, and dgram cannot choose
 * the source of a datagram. So every address gets a socket of its own, which the kernel prefers, and wildcard sockets take what is
 * left: addresses that came up since the last look and the rest of 127.0.0.0/8. Their answers leave by the address that routing
 * picks. SO_REUSEADDR lets the sockets coexist; that a port is taken is seen by the TCP listener.
 */
class WildcardListener implements Listener {
  readonly #port: number
  readonly #handle: ListenerOptions['handle']
  readonly #wildcards: UdpSocket[] = []
  readonly #own = new Map<IpAddress, UdpSocket>()
  readonly #timer: NodeJS.Timeout
  #looking = Promise.resolve()

  static async open(port: number, handle: ListenerOptions['handle']): Promise<WildcardListener> {
    const listener = new WildcardListener(port, handle)
    try {
      await listener.#openWildcards()
      await listener.#looking
      await listener.#look()
      return listener
    } catch (error) {
      await listener[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(port: number, handle: ListenerOptions['handle']) {
    this.#port = port
    this.#handle = handle
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.#look())
    }, RESCAN_MS)
    this.#timer.unref()
  }

  stopTaking(): void {
    clearInterval(this.#timer)
    for (const socket of this.#sockets()) socket.stopTaking()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    for (const socket of this.#sockets()) await socket[Symbol.asyncDispose]()
  }

  async #openWildcards(): Promise<void> {
    for (const address of wildcards) {
      try {
        this.#wildcards.push(await this.#open(address))
      } catch (error) {
        if (!isWithoutIpv6(address, error)) throw error
      }
    }
  }

  /** Makes the own sockets fit the addresses that there are. */
  async #look(): Promise<void> {
    const addresses = new Set(localAddresses().slice(0, MAX_OWN_SOCKETS))
    for (const [address, socket] of this.#own) {
      if (addresses.has(address)) continue
      this.#own.delete(address)
      await socket[Symbol.asyncDispose]()
    }
    for (const address of addresses) {
      if (this.#own.has(address)) continue
      try {
        this.#own.set(address, await this.#open(address))
      } catch {
        // Gone again, or not usable yet (an IPv6 address under duplicate detection): the wildcard serves until the next look.
      }
    }
  }

  #open(address: IpAddress): Promise<UdpSocket> {
    return UdpSocket.open({ address, port: this.#port, handle: this.#handle, isShared: true })
  }

  #sockets(): readonly UdpSocket[] {
    return [...this.#wildcards, ...this.#own.values()]
  }
}

/** Link-local addresses are left to the wildcard: there is one per interface, and routing picks it as source anyway. */
function localAddresses(): readonly IpAddress[] {
  return hostAddresses()
    .map(({ address }) => address)
    .filter(address => !(familyOf(address) === 6 && isLinkLocal(address)))
    .sort(compareIps)
}

type SocketOptions = ListenerOptions & {
  readonly address: IpAddress
  /** May other sockets have the same port on overlapping addresses? */
  readonly isShared: boolean
}

/** One socket on one address. */
class UdpSocket implements Listener {
  readonly #socket: Socket
  readonly #options: SocketOptions
  #isClosed = false

  /** @throws the system error of a failed bind. */
  static async open(options: SocketOptions): Promise<UdpSocket> {
    const listener = new UdpSocket(options)
    try {
      listener.#socket.bind({ address: options.address, port: options.port })
      await once(listener.#socket, 'listening')
    } catch (error) {
      await listener[Symbol.asyncDispose]()
      throw error
    }
    // From now on an error is an ICMP message about an answer that nobody waits for any more.
    listener.#socket.on('error', () => undefined)
    return listener
  }

  private constructor(options: SocketOptions) {
    const isIPv6 = familyOf(options.address) === 6
    this.#options = options
    this.#socket = createSocket({
      type: isIPv6 ? 'udp6' : 'udp4',
      reuseAddr: options.isShared,
      ipv6Only: isIPv6,
    })
    this.#socket.on('message', (packet, remote) => void this.#answer(packet, remote))
  }

  stopTaking(): void {
    this.#socket.removeAllListeners('message')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  async #answer(packet: Buffer, remote: RemoteInfo): Promise<void> {
    const { address, port, handle } = this.#options
    const client = parseIp(remote.address.replace(/%.*$/, ''))
    // No program sends from port 0: the source is forged, and dgram throws when it should send there.
    if (client === undefined || remote.port === 0) return
    const reply = await handle(packet.subarray(0, MAX_QUERY_OCTETS), {
      transport: 'udp',
      client: { address: client, port: remote.port },
      server: { address, port },
    })
    // The listener may have gone while the answer was made; dgram throws when a closed socket is used.
    if (reply === undefined || this.#isClosed) return
    this.#socket.send(reply, remote.port, remote.address, () => undefined)
  }
}
