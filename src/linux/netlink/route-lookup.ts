import { addressBits, familyOf, type IpAddress, ipToBytes } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { addressFamily } from './address.ts'
import { encodeAttributes } from './attribute.ts'
import { NetlinkError } from './error.ts'
import { decodeRoute } from './route.ts'
import type { NetlinkSocket } from './socket.ts'

const RTM_GETROUTE = 26
/** RTA_DST */
const DESTINATION = 1
/** RTM_F_FIB_MATCH: the answer is the route that matches, not the path it makes; since Linux 4.13. */
const FIB_MATCH = 0x2000
/** RTN_LOCAL */
const LOCAL = 2
const RTMSG_BYTES = 12

/** What the kernel does with a packet to an address. */
export type FoundRoute =
  | { readonly kind: 'local' | 'none' }
  | {
      readonly kind: 'unicast'
      /** The destination of the route that matches. */
      readonly prefix: IpPrefix
      readonly gateway: IpAddress | undefined
      readonly linkIndex: number
      readonly mtu: number | undefined
    }

/**
 * The route that the namespace of the socket has for an address, whatever its source: none also where a route says
 * unreachable, prohibit or blackhole.
 * @throws {NetlinkError} for other refusals.
 */
export async function lookUpRoute(socket: NetlinkSocket, to: IpAddress): Promise<FoundRoute> {
  const header = Buffer.alloc(RTMSG_BYTES)
  header[0] = addressFamily(familyOf(to))
  header[1] = addressBits(familyOf(to))
  header.writeUInt32LE(FIB_MATCH, 8)
  const payload = Buffer.concat([
    header,
    encodeAttributes([{ type: DESTINATION, value: ipToBytes(to) }]),
  ])
  try {
    const [message] = await socket.request({
      operation: `look up the route to ${to}`,
      type: RTM_GETROUTE,
      payload,
    })
    return message === undefined ? { kind: 'none' } : foundRoute(message.payload)
  } catch (error) {
    if (error instanceof NetlinkError && NO_ROUTE.has(error.errno)) return { kind: 'none' }
    throw error
  }
}

/** ENETUNREACH; EHOSTUNREACH (unreachable), EACCES (prohibit), EINVAL (blackhole). */
const NO_ROUTE = new Set([101, 113, 13, 22])

function foundRoute(payload: Buffer): FoundRoute {
  if (payload[7] === LOCAL) return { kind: 'local' }
  const route = decodeRoute(payload)
  if (route === undefined) return { kind: 'none' }
  const { destination, gateways, linkIndex, mtu } = route
  return { kind: 'unicast', prefix: destination, gateway: gateways[0], linkIndex, mtu }
}
