import { addressBits, type IpAddress, type IpFamily, ipFromBytes, ipToBytes } from '#net/ip.ts'
import { type IpPrefix, networkOf } from '#net/prefix.ts'
import { addressFamily } from './address.ts'
import {
  type Attribute,
  align,
  decodeAttributes,
  encodeAttributes,
  readNested,
  readUint,
  u32Attribute,
} from './attribute.ts'
import { isExists, isNotFound } from './error.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
const RTM_GETROUTE = 26

/** RTA_… (linux/rtnetlink.h). */
const Rta = {
  dst: 1,
  oif: 4,
  gateway: 5,
  priority: 6,
  prefsrc: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
} as const
/** RTAX_… inside RTA_METRICS. */
const Rtax = { mtu: 2, advmss: 8 } as const

/** RT_SCOPE_… */
export const RouteScope = { universe: 0, link: 253, host: 254 } as const
/** RT_TABLE_MAIN */
export const MAIN_TABLE = 254
/** RTN_UNICAST: an ordinary route, not one to a local or broadcast address. */
const RTN_UNICAST = 1
/** RTPROT_BOOT: what `ip route add` says. */
const RTPROT_BOOT = 3
/** RTNH_F_ONLINK: the gateway is on the link although no route says so. */
const RTNH_F_ONLINK = 4
/** RTM_F_CLONED: an entry of the cache, not a route. */
const RTM_F_CLONED = 0x200

/** Bytes of struct rtmsg and struct rtnexthop. */
const RTMSG_BYTES = 12
const RTNEXTHOP_BYTES = 8

/** A unicast route. */
export type Route = {
  readonly destination: IpPrefix
  /** Index of the link that the packets leave by. */
  readonly linkIndex: number
  /** None: the destination is on the link. Several: traffic is spread over them (multipath). */
  readonly gateways: readonly IpAddress[]
  readonly isOnLink?: boolean
  /** The metric: the lowest wins. 0 when not given; IPv6 then takes 1024. */
  readonly priority?: number | undefined
  /** {@link MAIN_TABLE} when not given. */
  readonly table?: number | undefined
  /** A {@link RouteScope}; when not given link without a gateway and universe with one. */
  readonly scope?: number | undefined
  /** The source address of what the machine itself sends. */
  readonly source?: IpAddress | undefined
  readonly mtu?: number | undefined
  readonly advmss?: number | undefined
  /** Who made the route (RTPROT_…). */
  readonly protocol?: number | undefined
}

/** The payload of RTM_NEWROUTE and RTM_DELROUTE: struct rtmsg, then attributes. */
export function encodeRoute(route: Route): Buffer {
  const { destination, gateways, table = MAIN_TABLE } = route
  const header = Buffer.alloc(RTMSG_BYTES)
  header[0] = addressFamily(destination.family)
  header[1] = destination.length
  header[4] = table < 256 ? table : 0
  header[5] = route.protocol ?? RTPROT_BOOT
  header[6] = route.scope ?? (gateways.length === 0 ? RouteScope.link : RouteScope.universe)
  header[7] = RTN_UNICAST
  header.writeUInt32LE(route.isOnLink === true ? RTNH_F_ONLINK : 0, 8)
  return Buffer.concat([header, encodeAttributes([...routeAttributes(route), ...pathOf(route)])])
}

function routeAttributes(route: Route): Attribute[] {
  const { destination, priority, table = MAIN_TABLE, source, mtu, advmss } = route
  const metrics: Attribute[] = []
  if (mtu !== undefined) metrics.push(u32Attribute(Rtax.mtu, mtu))
  if (advmss !== undefined) metrics.push(u32Attribute(Rtax.advmss, advmss))
  const attributes: Attribute[] = [u32Attribute(Rta.table, table)]
  if (destination.length > 0) {
    attributes.push({ type: Rta.dst, value: ipToBytes(networkOf(destination).address) })
  }
  if (priority !== undefined) attributes.push(u32Attribute(Rta.priority, priority))
  if (source !== undefined) attributes.push({ type: Rta.prefsrc, value: ipToBytes(source) })
  if (metrics.length > 0) attributes.push({ type: Rta.metrics, value: metrics })
  return attributes
}

function pathOf({ linkIndex, gateways, isOnLink }: Route): Attribute[] {
  const [gateway, ...others] = gateways
  if (others.length === 0) {
    const oif = u32Attribute(Rta.oif, linkIndex)
    return gateway === undefined ? [oif] : [{ type: Rta.gateway, value: ipToBytes(gateway) }, oif]
  }
  const hops = gateways.map(address => encodeNextHop(linkIndex, address, isOnLink === true))
  return [{ type: Rta.multipath, value: Buffer.concat(hops) }]
}

/** struct rtnexthop, then RTA_GATEWAY. */
function encodeNextHop(linkIndex: number, gateway: IpAddress, isOnLink: boolean): Buffer {
  const attributes = encodeAttributes([{ type: Rta.gateway, value: ipToBytes(gateway) }])
  const header = Buffer.alloc(RTNEXTHOP_BYTES)
  header.writeUInt16LE(RTNEXTHOP_BYTES + attributes.length, 0)
  header[2] = isOnLink ? RTNH_F_ONLINK : 0
  header.writeInt32LE(linkIndex, 4)
  return Buffer.concat([header, attributes])
}

/** The route that an RTM_NEWROUTE message describes; undefined for what is no unicast route of one family. */
export function decodeRoute(payload: Buffer): Route | undefined {
  const family = ([4, 6] as const).find(each => addressFamily(each) === payload[0])
  const flags = payload.readUInt32LE(8)
  if (family === undefined || payload[7] !== RTN_UNICAST || flags & RTM_F_CLONED) return undefined
  const attributes = decodeAttributes(payload.subarray(RTMSG_BYTES))
  const metrics = readNested(attributes, Rta.metrics)
  const source = attributes.get(Rta.prefsrc)
  const paths = decodePaths(attributes)
  return {
    destination: {
      family,
      address: ipFromBytes(attributes.get(Rta.dst) ?? new Uint8Array(addressBits(family) / 8)),
      length: payload.readUInt8(1),
    },
    linkIndex: paths.linkIndex,
    gateways: paths.gateways,
    isOnLink: (flags & RTNH_F_ONLINK) !== 0,
    priority: readUint(attributes, Rta.priority) ?? 0,
    table: readUint(attributes, Rta.table) ?? payload.readUInt8(4),
    scope: payload.readUInt8(6),
    source: source === undefined ? undefined : ipFromBytes(source),
    mtu: readUint(metrics, Rtax.mtu),
    advmss: readUint(metrics, Rtax.advmss),
    protocol: payload.readUInt8(5),
  }
}

function decodePaths(attributes: ReadonlyMap<number, Buffer>): {
  linkIndex: number
  gateways: readonly IpAddress[]
} {
  const gateway = attributes.get(Rta.gateway)
  const multipath = attributes.get(Rta.multipath)
  if (multipath === undefined) {
    return {
      linkIndex: readUint(attributes, Rta.oif) ?? 0,
      gateways: gateway === undefined ? [] : [ipFromBytes(gateway)],
    }
  }
  const gateways: IpAddress[] = []
  let offset = 0
  while (offset + RTNEXTHOP_BYTES <= multipath.length) {
    const length = multipath.readUInt16LE(offset)
    if (length < RTNEXTHOP_BYTES) throw new RangeError(`a next hop of ${length} bytes`)
    const hop = decodeAttributes(multipath.subarray(offset + RTNEXTHOP_BYTES, offset + length))
    const address = hop.get(Rta.gateway)
    if (address !== undefined) gateways.push(ipFromBytes(address))
    offset += align(length)
  }
  // Our multipath routes leave by one link.
  return { linkIndex: multipath.readInt32LE(4), gateways }
}

/** The unicast routes of a family in all tables. @throws {NetlinkError} */
export async function listRoutes(
  socket: NetlinkSocket,
  family: IpFamily,
): Promise<readonly Route[]> {
  const header = Buffer.alloc(RTMSG_BYTES)
  header[0] = addressFamily(family)
  const operation = `list IPv${family} routes`
  const messages = await socket.dump({ operation, type: RTM_GETROUTE, payload: header })
  return messages.map(({ payload }) => decodeRoute(payload)).filter(route => route !== undefined)
}

const describe = ({ destination, gateways }: Route): string =>
  `route to ${destination.address}/${destination.length}${gateways.length === 0 ? '' : ` via ${gateways.join(', ')}`}`

/**
 * Adds a route. False when there is one with the same destination, table and priority (IPv6: and the same
 * path), whatever its gateway. @throws {NetlinkError}
 */
export async function addRoute(socket: NetlinkSocket, route: Route): Promise<boolean> {
  try {
    await socket.request({
      operation: `add ${describe(route)}`,
      type: RTM_NEWROUTE,
      flags: Flag.create | Flag.exclusive,
      payload: encodeRoute(route),
    })
    return true
  } catch (error) {
    if (isExists(error)) return false
    throw error
  }
}

/** Adds a route in place of one with the same destination, table and priority, in one step. @throws {NetlinkError} */
export async function replaceRoute(socket: NetlinkSocket, route: Route): Promise<void> {
  await socket.request({
    operation: `replace ${describe(route)}`,
    type: RTM_NEWROUTE,
    flags: Flag.create | Flag.replace,
    payload: encodeRoute(route),
  })
}

/** Removes a route; false when there is none. @throws {NetlinkError} */
export async function removeRoute(socket: NetlinkSocket, route: Route): Promise<boolean> {
  try {
    await socket.request({
      operation: `remove ${describe(route)}`,
      type: RTM_DELROUTE,
      payload: encodeRoute(route),
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
