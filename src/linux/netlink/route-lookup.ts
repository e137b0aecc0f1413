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
/** Bytes of struct rtmsg. */
const RTMSG_BYTES = 12
/** RTN_LOCAL */
const LOCAL = 2

/** What the kernel does with a packet to an address. */
export type RouteLookup =
  | {
      readonly kind: 'unicast'
      /** The destination of the route that matches. */
      readonly prefix: IpPrefix
      /** undefined: the destination is on the link. */
      readonly gateway: IpAddress | undefined
      readonly linkIndex: number
      readonly mtu: number | undefined
    }
  /** The address is this machine's own. */
  | { readonly kind: 'local' }
  /** There is no way: why, in the words of ip-route(8). Without rules of its own IPv4 calls all of them `no route`. */
  | { readonly kind: 'none'; readonly reason: string }

/** What the look-up's errno says of the route that was found (linux/net/ipv4/fib_semantics.c, fib_props). */
const errnoReasons: Readonly<Record<number, string>> = {
  13: 'prohibited',
  22: 'blackhole',
  101: 'no route',
  113: 'unreachable',
}
/** RTN_…, where the answer is the route itself. */
const typeReasons: Readonly<Record<number, string>> = {
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibited',
}

/** The route that the namespace of the socket has for an address, whatever its source. @throws {NetlinkError} */
export async function lookUpRoute(socket: NetlinkSocket, to: IpAddress): Promise<RouteLookup> {
  const header = Buffer.alloc(RTMSG_BYTES)
  header[0] = addressFamily(familyOf(to))
  header[1] = addressBits(familyOf(to))
  header.writeUInt32LE(FIB_MATCH, 8)
  const destination = encodeAttributes([{ type: DESTINATION, value: ipToBytes(to) }])
  try {
    const [answer] = await socket.request({
      operation: `look up the route to ${to}`,
      type: RTM_GETROUTE,
      payload: Buffer.concat([header, destination]),
    })
    return answer === undefined ? { kind: 'none', reason: 'no route' } : found(answer.payload)
  } catch (error) {
    const reason = error instanceof NetlinkError ? errnoReasons[error.errno] : undefined
    if (reason === undefined) throw error
    return { kind: 'none', reason }
  }
}

function found(payload: Buffer): RouteLookup {
  const type = payload[7] ?? 0
  if (type === LOCAL) return { kind: 'local' }
  const route = decodeRoute(payload)
  const reason = typeReasons[type]
  if (route === undefined || reason !== undefined) {
    return { kind: 'none', reason: reason ?? `a route of type ${type}` }
  }
  const { destination, gateways, linkIndex, mtu } = route
  return { kind: 'unicast', prefix: destination, gateway: gateways[0], linkIndex, mtu }
}
