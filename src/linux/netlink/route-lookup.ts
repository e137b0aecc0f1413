import { addressBits, familyOf, type IpAddress, ipFromBytes, ipToBytes } from '#net/ip.ts'
import { addressFamily } from './address.ts'
import { decodeAttributes, encodeAttributes, readUint } from './attribute.ts'
import { NetlinkError } from './error.ts'
import type { NetlinkSocket } from './socket.ts'

const RTM_GETROUTE = 26
/** RTA_… (linux/rtnetlink.h). */
const Rta = { dst: 1, oif: 4, gateway: 5 } as const
/** Bytes of struct rtmsg. */
const RTMSG_BYTES = 12
/** RTN_… of what is delivered to somebody. */
const RTN_UNICAST = 1
const RTN_LOCAL = 2

/** Where the kernel would send a packet. */
export type RouteLookup =
  | {
      readonly kind: 'unicast'
      readonly linkIndex: number
      /** undefined: the destination is on the link. */
      readonly gateway: IpAddress | undefined
    }
  /** The address is this machine's own. */
  | { readonly kind: 'local' }
  /** There is no way: why, in the words of ip-route(8) where it has some. */
  | { readonly kind: 'none'; readonly reason: string }

/** What the look-up's errno says of the route that was found (linux/net/ipv4/fib_semantics.c, fib_props). */
const REASONS: Readonly<Record<number, string>> = {
  13: 'prohibited',
  22: 'blackhole',
  101: 'no route',
  113: 'unreachable',
}

/** Asks the kernel for the way to an address, as for a packet that this machine sends. @throws {NetlinkError} */
export async function lookUpRoute(socket: NetlinkSocket, to: IpAddress): Promise<RouteLookup> {
  const family = familyOf(to)
  const header = Buffer.alloc(RTMSG_BYTES)
  header[0] = addressFamily(family)
  header[1] = addressBits(family)
  const destination = encodeAttributes([{ type: Rta.dst, value: ipToBytes(to) }])
  try {
    const [answer] = await socket.request({
      operation: `look up the route to ${to}`,
      type: RTM_GETROUTE,
      payload: Buffer.concat([header, destination]),
    })
    return answer === undefined ? { kind: 'none', reason: 'no route' } : decode(answer.payload)
  } catch (error) {
    const reason = error instanceof NetlinkError ? REASONS[error.errno] : undefined
    if (reason === undefined) throw error
    return { kind: 'none', reason }
  }
}

function decode(payload: Buffer): RouteLookup {
  const type = payload[7]
  if (type === RTN_LOCAL) return { kind: 'local' }
  if (type !== RTN_UNICAST) return { kind: 'none', reason: `a route of type ${type}` }
  const attributes = decodeAttributes(payload.subarray(RTMSG_BYTES))
  const gateway = attributes.get(Rta.gateway)
  return {
    kind: 'unicast',
    linkIndex: readUint(attributes, Rta.oif) ?? 0,
    gateway: gateway === undefined ? undefined : ipFromBytes(gateway),
  }
}
