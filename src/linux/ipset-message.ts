import {
  addressBits,
  familyOf,
  type IpAddress,
  type IpFamily,
  ipFromBytes,
  ipToBytes,
} from '#net/ip.ts'
import { type IpPrefix, networkOf } from '#net/prefix.ts'
import { type Protocol, protocolNumbers, protocolsByNumber } from '#net/protocol.ts'
import { addressFamily } from './netlink/address.ts'
import {
  type Attribute,
  type AttributeMap,
  decodeAttributes,
  encodeAttributes,
  listAttributes,
  NLA_F_NET_BYTEORDER,
  readNested,
  readText,
  readUint,
  textAttribute,
  u8Attribute,
  u32Attribute,
} from './netlink/attribute.ts'

/** NFNL_SUBSYS_IPSET in the high byte, IPSET_CMD_… in the low one (linux/netfilter/ipset/ip_set.h). */
const SUBSYSTEM = 6 << 8
export const IpsetCommand = {
  create: SUBSYSTEM | 2,
  destroy: SUBSYSTEM | 3,
  list: SUBSYSTEM | 7,
  add: SUBSYSTEM | 9,
  del: SUBSYSTEM | 10,
  type: SUBSYSTEM | 13,
} as const

/** The protocol that every kernel since 2.6.39 speaks. */
const PROTOCOL_VERSION = 6

/** IPSET_ATTR_…: of a request. */
const Cmd = {
  protocol: 1,
  setName: 2,
  typeName: 3,
  revision: 4,
  family: 5,
  data: 7,
  members: 8,
  lineNumber: 9,
} as const
/** IPSET_ATTR_…: of a set and of its members; numbers of more than a byte are in network order. */
const Data = {
  ip: 1,
  port: 4,
  portTo: 5,
  protocol: 7,
  hashSize: 18,
  maxElements: 19,
  ip2: 20,
  prefix2: 21,
} as const
/** IPSET_ATTR_IPADDR_… */
const Ip = { v4: 1, v6: 2 } as const

/** Bytes of struct nfgenmsg: family u8, version u8 (0), resource id u16 (0). */
export const NFGENMSG_BYTES = 4

const HASH_SIZE = 1024
const MAX_ELEMENTS = 65_536
const MAX_PORT = 65_535

export type IpsetType =
  | 'hash:ip'
  | 'hash:ip,port'
  | 'hash:ip,port,ip'
  | 'hash:ip,port,net'
  | 'bitmap:port'

/** A set by its name, and what can be in it. */
export type Ipset = {
  readonly name: string
  readonly type: IpsetType
  /** Ports have none. */
  readonly family: IpFamily | undefined
}

/** A member of a set, with the fields that the set's type names. */
export type IpsetEntry = {
  readonly ip?: IpAddress | undefined
  readonly protocol?: Protocol | undefined
  readonly port?: number | undefined
  /** The second address, or network. */
  readonly to?: IpPrefix | undefined
}

/** A member as `ipset list` prints it; equal members have equal texts. */
export function entryText({ ip, protocol, port, to }: IpsetEntry): string {
  const service = protocol === undefined ? port : `${protocol.toLowerCase()}:${port}`
  return [ip, service, to === undefined ? undefined : prefixText(to)]
    .filter(part => part !== undefined)
    .join(',')
}

function prefixText(prefix: IpPrefix): string {
  const { family, address, length } = networkOf(prefix)
  return length === addressBits(family) ? address : `${address}/${length}`
}

/** Asks which revisions of a type the kernel has. */
export const encodeTypeQuery = ({ type, family }: Ipset): Buffer =>
  message([textAttribute(Cmd.typeName, type), familyAttribute(family)])

/** The newest revision that an answer to {@link encodeTypeQuery} names. */
export const decodeRevision = (payload: Buffer): number =>
  readUint(decodeAttributes(payload.subarray(NFGENMSG_BYTES)), Cmd.revision) ?? 0

/** Makes a set, of the sizes that kube-proxy gives its own. */
export const encodeCreate = (set: Ipset, revision: number): Buffer =>
  message([
    ...nameOf(set),
    textAttribute(Cmd.typeName, set.type),
    u8Attribute(Cmd.revision, revision),
    familyAttribute(set.family),
    {
      type: Cmd.data,
      value:
        set.type === 'bitmap:port'
          ? [be16(Data.port, 0), be16(Data.portTo, MAX_PORT)]
          : [be32(Data.hashSize, HASH_SIZE), be32(Data.maxElements, MAX_ELEMENTS)],
    },
  ])

/** Lists or destroys a set. */
export const encodeName = (set: Pick<Ipset, 'name'>): Buffer => message(nameOf(set))

/** Adds or removes members; as many as fit into an attribute: 500 do. */
export const encodeMembers = (set: Pick<Ipset, 'name'>, entries: readonly IpsetEntry[]): Buffer =>
  message([
    ...nameOf(set),
    u32Attribute(Cmd.lineNumber, 0),
    {
      type: Cmd.members,
      value: entries.map((entry, index) => ({ type: Cmd.data, value: entryData(entry, index) })),
    },
  ])

/** What one message of a list tells: the type in the first of a set, members in all of them. */
export type IpsetListing = {
  readonly type: string | undefined
  readonly entries: readonly IpsetEntry[]
}

export function decodeListing(payload: Buffer): IpsetListing {
  const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
  const members = attributes.get(Cmd.members)
  return {
    type: readText(attributes, Cmd.typeName),
    entries:
      members === undefined
        ? []
        : listAttributes(members).map(([, bytes]) => decodeEntry(decodeAttributes(bytes))),
  }
}

function decodeEntry(data: AttributeMap): IpsetEntry {
  const ip = addressIn(data, Data.ip)
  const second = addressIn(data, Data.ip2)
  const port = data.get(Data.port)?.readUInt16BE()
  return {
    ip,
    protocol: protocolsByNumber.get(readUint(data, Data.protocol)),
    port,
    to: second === undefined ? undefined : prefixOf(second, readUint(data, Data.prefix2)),
  }
}

function prefixOf(address: IpAddress, length: number | undefined): IpPrefix {
  const family = familyOf(address)
  return { family, address, length: length ?? addressBits(family) }
}

/** The line number is how the kernel tells which of many it refused. */
function entryData({ ip, protocol, port, to }: IpsetEntry, index: number): readonly Attribute[] {
  return [
    ...(ip === undefined ? [] : [ipAttribute(Data.ip, ip)]),
    ...(port === undefined ? [] : [be16(Data.port, port)]),
    ...(protocol === undefined ? [] : [u8Attribute(Data.protocol, protocolNumbers[protocol])]),
    ...(to === undefined ? [] : secondAddress(to)),
    be32(Cmd.lineNumber, index + 1),
  ]
}

function secondAddress(prefix: IpPrefix): readonly Attribute[] {
  const { family, address, length } = networkOf(prefix)
  const cidr = length === addressBits(family) ? [] : [u8Attribute(Data.prefix2, length)]
  return [ipAttribute(Data.ip2, address), ...cidr]
}

const message = (attributes: readonly Attribute[]): Buffer =>
  Buffer.concat([
    Buffer.alloc(NFGENMSG_BYTES),
    encodeAttributes([u8Attribute(Cmd.protocol, PROTOCOL_VERSION), ...attributes]),
  ])

const nameOf = ({ name }: Pick<Ipset, 'name'>): readonly Attribute[] => [
  textAttribute(Cmd.setName, name),
]

const familyAttribute = (family: IpFamily | undefined): Attribute =>
  u8Attribute(Cmd.family, family === undefined ? 0 : addressFamily(family))

const ipAttribute = (type: number, ip: IpAddress): Attribute => ({
  type,
  value: [
    { type: (familyOf(ip) === 4 ? Ip.v4 : Ip.v6) | NLA_F_NET_BYTEORDER, value: ipToBytes(ip) },
  ],
})

function addressIn(data: AttributeMap, type: number): IpAddress | undefined {
  const ip = readNested(data, type)
  const bytes = ip.get(Ip.v4) ?? ip.get(Ip.v6)
  return bytes === undefined ? undefined : ipFromBytes(bytes)
}

function be16(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return { type: type | NLA_F_NET_BYTEORDER, value: bytes }
}

function be32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return { type: type | NLA_F_NET_BYTEORDER, value: bytes }
}
