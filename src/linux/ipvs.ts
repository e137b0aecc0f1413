import { familyOf } from '#net/ip.ts'
import {
  type Destination,
  type DestinationId,
  decodeDestination,
  decodeServer,
  decodeTimeouts,
  encodeDestination,
  encodeServer,
  encodeServerId,
  encodeTimeouts,
  IpvsCommand,
  type IpvsTimeouts,
  type ServerId,
  type VirtualServer,
} from './ipvs-message.ts'
import { isExists, isNotFound } from './netlink/error.ts'
import { genericFamily, genericMessage, NETLINK_GENERIC } from './netlink/generic.ts'
import { NetlinkSocket } from './netlink/socket.ts'

export {
  type Destination,
  type DestinationId,
  type IpvsTimeouts,
  ServerFlag,
  type ServerId,
  type VirtualServer,
} from './ipvs-message.ts'

const FAMILY_NAME = 'IPVS'
const VERSION = 1

/** `TCP 10.96.0.1:80`, for messages and as a key. */
export const serverKey = ({ protocol, address, port }: ServerId): string =>
  `${protocol} ${destinationKey({ address, port })}`

/** `10.0.0.1:80`, IPv6 in brackets. */
export const destinationKey = ({ address, port }: DestinationId): string =>
  familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`

/** The IPVS table of a network namespace, by generic netlink (IPVS_GENL_NAME of linux/ip_vs.h). */
export class Ipvs implements Disposable {
  readonly #socket: NetlinkSocket
  readonly #type: number

  private constructor(socket: NetlinkSocket, type: number) {
    this.#socket = socket
    this.#type = type
  }

  /** That of the calling thread's namespace. @throws {NetlinkError} ENOENT: the kernel has no IPVS. */
  static async open(): Promise<Ipvs> {
    const socket = NetlinkSocket.open(undefined, NETLINK_GENERIC)
    try {
      return new Ipvs(socket, await genericFamily(socket, FAMILY_NAME))
    } catch (error) {
      socket[Symbol.dispose]()
      throw error
    }
  }

  /** The virtual servers of both families; those of firewall marks are left out. @throws {NetlinkError} */
  async listServers(): Promise<readonly VirtualServer[]> {
    const messages = await this.#socket.dump({
      operation: 'list virtual servers',
      type: this.#type,
      payload: genericMessage(IpvsCommand.getService, VERSION, Buffer.alloc(0)),
    })
    return messages.flatMap(({ payload }) => decodeServer(payload) ?? [])
  }

  /** The destinations of a virtual server; none when there is no such server. @throws {NetlinkError} */
  async listDestinations(server: ServerId): Promise<readonly Destination[]> {
    const messages = await this.#socket.dump({
      operation: `list destinations of ${serverKey(server)}`,
      type: this.#type,
      payload: genericMessage(IpvsCommand.getDest, VERSION, encodeServerId(server)),
    })
    const family = familyOf(server.address)
    return messages.flatMap(({ payload }) => decodeDestination(payload, family) ?? [])
  }

  /** Makes a virtual server, or gives the one that is there these properties. @throws {NetlinkError} */
  async putServer(server: VirtualServer): Promise<void> {
    const what = `virtual server ${serverKey(server)} (${server.scheduler})`
    const attributes = encodeServer(server)
    try {
      await this.#request(`add ${what}`, IpvsCommand.newService, attributes)
    } catch (error) {
      if (!isExists(error)) throw error
      await this.#request(`change ${what}`, IpvsCommand.setService, attributes)
    }
  }

  /** Removes a virtual server with its destinations; false when there is none. @throws {NetlinkError} */
  removeServer(server: ServerId): Promise<boolean> {
    const operation = `remove virtual server ${serverKey(server)}`
    return this.#tryRequest(operation, IpvsCommand.delService, encodeServerId(server))
  }

  /** Gives a virtual server a destination, or the one that it has this weight. @throws {NetlinkError} */
  async putDestination(server: ServerId, to: DestinationId, weight: number): Promise<void> {
    const what = `destination ${destinationKey(to)} of ${serverKey(server)}`
    const attributes = encodeDestination(server, to, weight)
    try {
      await this.#request(`add ${what}`, IpvsCommand.newDest, attributes)
    } catch (error) {
      if (!isExists(error)) throw error
      await this.#request(`change ${what}`, IpvsCommand.setDest, attributes)
    }
  }

  /** Changes the weight of a destination; false when there is none. @throws {NetlinkError} */
  weigh(server: ServerId, to: DestinationId, weight: number): Promise<boolean> {
    const operation = `weigh destination ${destinationKey(to)} of ${serverKey(server)}`
    return this.#tryRequest(operation, IpvsCommand.setDest, encodeDestination(server, to, weight))
  }

  /** Takes a destination from a virtual server; false when it had none. @throws {NetlinkError} */
  removeDestination(server: ServerId, to: DestinationId): Promise<boolean> {
    const operation = `remove destination ${destinationKey(to)} of ${serverKey(server)}`
    return this.#tryRequest(operation, IpvsCommand.delDest, encodeDestination(server, to))
  }

  /** Removes all virtual servers, whoever made them. @throws {NetlinkError} */
  async flush(): Promise<void> {
    await this.#request('remove all virtual servers', IpvsCommand.flush, Buffer.alloc(0))
  }

  /** How long the kernel remembers idle connections. @throws {NetlinkError} */
  async setTimeouts(timeouts: IpvsTimeouts): Promise<void> {
    const { tcp, tcpFin, udp } = timeouts
    const operation = `set IPVS time-outs ${tcp}, ${tcpFin}, ${udp}`
    await this.#request(operation, IpvsCommand.setConfig, encodeTimeouts(timeouts))
  }

  /** @throws {NetlinkError} */
  async timeouts(): Promise<IpvsTimeouts> {
    const [answer] = await this.#request(
      'get IPVS time-outs',
      IpvsCommand.getConfig,
      Buffer.alloc(0),
    )
    return decodeTimeouts(answer?.payload ?? Buffer.alloc(0))
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  #request(operation: string, command: number, attributes: Buffer) {
    const payload = genericMessage(command, VERSION, attributes)
    return this.#socket.request({ operation, type: this.#type, payload })
  }

  async #tryRequest(operation: string, command: number, attributes: Buffer): Promise<boolean> {
    try {
      await this.#request(operation, command, attributes)
      return true
    } catch (error) {
      // ESRCH: no such virtual server; ENOENT: no such destination.
      if (isNotFound(error)) return false
      throw error
    }
  }
}
