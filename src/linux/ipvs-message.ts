import {
  addressBits,
  familyOf,
  type IpAddress,
  type IpFamily,
  ipFromBytes,
  ipToBytes,
} from '#net/ip.ts'
import { type Protocol, protocolNumbers, protocolsByNumber } from '#net/protocol.ts'
import { addressFamily } from './netlink/address.ts'
import {
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  readNested,
  readText,
  readUint,
  textAttribute,
  u16Attribute,
  u32Attribute,
} from './netlink/attribute.ts'
import { GENLMSGHDR_BYTES } from './netlink/generic.ts'

/** IPVS_CMD_… of linux/ip_vs.h. */
export const IpvsCommand = {
  newService: 1,
  setService: 2,
  delService: 3,
  getService: 4,
  newDest: 5,
  setDest: 6,
  delDest: 7,
  getDest: 8,
  setConfig: 12,
  getConfig: 13,
  flush: 17,
} as const

/** IPVS_CMD_ATTR_… */
const Cmd = { service: 1, dest: 2, timeoutTcp: 4, timeoutTcpFin: 5, timeoutUdp: 6 } as const
/** IPVS_SVC_ATTR_…; ports are in network order, all other numbers in the host's. */
const Svc = {
  af: 1,
  protocol: 2,
  address: 3,
  port: 4,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
} as const
/** IPVS_DEST_ATTR_… */
const Dest = {
  address: 1,
  port: 2,
  forwarding: 3,
  weight: 4,
  upperThreshold: 5,
  lowerThreshold: 6,
  activeConnections: 7,
  inactiveConnections: 8,
  addressFamily: 11,
} as const

/** IP_VS_CONN_F_MASQ: packets get the destination's address, answers the virtual server's (NAT). */
const FORWARD_BY_NAT = 0
/** IP_VS_CONN_F_FWD_MASK: the forwarding method among the connection flags. */
const FORWARDING_MASK = 7

/** IP_VS_SVC_F_…: flags of a virtual server. */
export const ServerFlag = {
  /** A client keeps its destination for the time-out. */
  persistent: 0x1,
  /** The kernel's own note that the server is in its table. */
  hashed: 0x2,
  /** IP_VS_SVC_F_SCHED2; to the scheduler mh it means that the client's port counts too. */
  scheduler2: 0x10,
} as const

/** Bytes of union nf_inet_addr. */
const ADDRESS_BYTES = 16

/** Where a virtual server is: what names it. */
export type ServerId = {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
}

/** A virtual server: connections to it are balanced over its destinations. */
export type VirtualServer = ServerId & {
  /** Name of the scheduler, `rr` … */
  readonly scheduler: string
  /** {@link ServerFlag}s. */
  readonly flags: number
  /** How long a client keeps its destination, with {@link ServerFlag.persistent}. */
  readonly timeoutSeconds: number
}

export type DestinationId = { readonly address: IpAddress; readonly port: number }

/** A real server of a virtual server, as the kernel has it. */
export type Destination = DestinationId & {
  /** 0: gets no new connections. */
  readonly weight: number
  /** Is it reached by NAT? Other ways are none of ours. */
  readonly isNat: boolean
  /** Connections that are established, and those that are not (closing, or UDP and SCTP ones). */
  readonly activeConnections: number
  readonly inactiveConnections: number
}

/** Seconds; 0 keeps what the kernel has. */
export type IpvsTimeouts = {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

/** The attributes that name a virtual server. */
export const encodeServerId = (server: ServerId): Buffer => encodeAttributes([serviceOf(server)])

/** The attributes of a virtual server that is to be made or changed. */
export function encodeServer(server: VirtualServer): Buffer {
  const family = familyOf(server.address)
  return encodeAttributes([
    serviceOf(server, [
      textAttribute(Svc.scheduler, server.scheduler),
      { type: Svc.flags, value: flagsWithMask(server.flags) },
      u32Attribute(Svc.timeout, server.timeoutSeconds),
      // All clients for themselves: an IPv4 mask in network order, an IPv6 prefix length.
      u32Attribute(Svc.netmask, family === 4 ? 0xffff_ffff : addressBits(6)),
    ]),
  ])
}

/** The attributes that name a destination, or make or change it when there is a weight. */
export function encodeDestination(
  server: ServerId,
  destination: DestinationId,
  weight?: number,
): Buffer {
  const value: Attribute[] = [
    { type: Dest.address, value: addressBytes(destination.address) },
    portAttribute(Dest.port, destination.port),
    u16Attribute(Dest.addressFamily, addressFamily(familyOf(destination.address))),
  ]
  if (weight !== undefined) {
    value.push(
      u32Attribute(Dest.forwarding, FORWARD_BY_NAT),
      u32Attribute(Dest.weight, weight),
      u32Attribute(Dest.upperThreshold, 0),
      u32Attribute(Dest.lowerThreshold, 0),
    )
  }
  return encodeAttributes([serviceOf(server), { type: Cmd.dest, value }])
}

export const encodeTimeouts = ({ tcp, tcpFin, udp }: IpvsTimeouts): Buffer =>
  encodeAttributes([
    u32Attribute(Cmd.timeoutTcp, tcp),
    u32Attribute(Cmd.timeoutTcpFin, tcpFin),
    u32Attribute(Cmd.timeoutUdp, udp),
  ])

/** The time-outs that an answer to getConfig tells. */
export function decodeTimeouts(payload: Buffer): IpvsTimeouts {
  const attributes = decodeAttributes(payload.subarray(GENLMSGHDR_BYTES))
  return {
    tcp: readUint(attributes, Cmd.timeoutTcp) ?? 0,
    tcpFin: readUint(attributes, Cmd.timeoutTcpFin) ?? 0,
    udp: readUint(attributes, Cmd.timeoutUdp) ?? 0,
  }
}

/** The virtual server that a message tells of; undefined when it is not one of an address (but of a mark). */
export function decodeServer(payload: Buffer): VirtualServer | undefined {
  const service = readNested(decodeAttributes(payload.subarray(GENLMSGHDR_BYTES)), Cmd.service)
  const address = addressIn(service.get(Svc.address), familyIn(service.get(Svc.af)))
  const protocol = protocolsByNumber.get(readUint(service, Svc.protocol))
  if (address === undefined || protocol === undefined) return undefined
  return {
    protocol,
    address,
    port: service.get(Svc.port)?.readUInt16BE() ?? 0,
    scheduler: readText(service, Svc.scheduler) ?? '',
    flags: (service.get(Svc.flags)?.readUInt32LE() ?? 0) & ~ServerFlag.hashed,
    timeoutSeconds: readUint(service, Svc.timeout) ?? 0,
  }
}

/** The destination that a message tells of. `family` is its virtual server's: old kernels do not say. */
export function decodeDestination(payload: Buffer, family: IpFamily): Destination | undefined {
  const dest = readNested(decodeAttributes(payload.subarray(GENLMSGHDR_BYTES)), Cmd.dest)
  const address = addressIn(
    dest.get(Dest.address),
    familyIn(dest.get(Dest.addressFamily)) ?? family,
  )
  if (address === undefined) return undefined
  return {
    address,
    port: dest.get(Dest.port)?.readUInt16BE() ?? 0,
    weight: readUint(dest, Dest.weight) ?? 0,
    isNat: ((readUint(dest, Dest.forwarding) ?? 0) & FORWARDING_MASK) === FORWARD_BY_NAT,
    activeConnections: readUint(dest, Dest.activeConnections) ?? 0,
    inactiveConnections: readUint(dest, Dest.inactiveConnections) ?? 0,
  }
}

const serviceOf = (
  { protocol, address, port }: ServerId,
  more: readonly Attribute[] = [],
): Attribute => ({
  type: Cmd.service,
  value: [
    u16Attribute(Svc.af, addressFamily(familyOf(address))),
    u16Attribute(Svc.protocol, protocolNumbers[protocol]),
    { type: Svc.address, value: addressBytes(address) },
    portAttribute(Svc.port, port),
    ...more,
  ],
})

/** struct ip_vs_flags: the flags, and which of them are meant: all. */
function flagsWithMask(flags: number): Buffer {
  const bytes = Buffer.alloc(8, 0xff)
  bytes.writeUInt32LE(flags)
  return bytes
}

function addressBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES)
  bytes.set(ipToBytes(address))
  return bytes
}

function addressIn(bytes: Buffer | undefined, family: IpFamily | undefined): IpAddress | undefined {
  const length = family === 4 ? 4 : 16
  if (bytes === undefined || family === undefined || bytes.length < length) return undefined
  return ipFromBytes(bytes.subarray(0, length))
}

function familyIn(bytes: Buffer | undefined): IpFamily | undefined {
  const number = bytes?.length === 2 ? bytes.readUInt16LE() : undefined
  return number === addressFamily(4) ? 4 : number === addressFamily(6) ? 6 : undefined
}

function portAttribute(type: number, port: number): Attribute {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(port)
  return { type, value: bytes }
}
