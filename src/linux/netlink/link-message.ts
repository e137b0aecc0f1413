import { type MacAddress, macFromBytes, macToBytes } from '#net/mac.ts'
import {
  type Attribute,
  type AttributeMap,
  decodeAttributes,
  encodeAttributes,
  readNested,
  readText,
  readUint,
  textAttribute,
  u8Attribute,
  u32Attribute,
} from './attribute.ts'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18

/** IFLA_… of linux/if_link.h. */
export const Ifla = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  txQueueLength: 13,
  operstate: 16,
  linkinfo: 18,
  ifalias: 20,
  netNsFd: 28,
} as const

/** IFLA_INFO_…: what is inside IFLA_LINKINFO. */
export const Info = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const
/** IFLA_BR_VLAN_FILTERING */
const BRIDGE_VLAN_FILTERING = 7
/** VETH_INFO_PEER (linux/veth.h) */
const VETH_PEER = 1
/** IFLA_BRPORT_… */
const Port = { mode: 4, isolated: 33 } as const

/** IFF_… (linux/if.h). */
const Iff = { up: 0x1, promisc: 0x100, allMulticast: 0x200 } as const

/** IF_OPER_UP (RFC 2863): frames pass. */
const IF_OPER_UP = 6

/** Bytes of struct ifinfomsg. */
export const IFINFOMSG_BYTES = 16

/** Flags of a link that is a port of a bridge. */
export type BridgePort = {
  /** Frames may leave by the port they came in by. */
  readonly hairpin: boolean
  /** No traffic with other isolated ports. */
  readonly isolated: boolean
}

/** A network interface as the kernel describes it. */
export type Link = {
  readonly index: number
  readonly name: string
  /** `bridge`, `veth` …; undefined for hardware and loopback. */
  readonly kind?: string | undefined
  readonly mac?: MacAddress | undefined
  readonly mtu: number
  /** Is it set up (administratively)? */
  readonly isUp: boolean
  /** Do frames pass (RFC 2863 ifOperStatus up)? */
  readonly isOperational: boolean
  /** Was promiscuous mode asked for by the administrator? */
  readonly isPromiscuous: boolean
  /** Does it take the frames of all multicast groups? */
  readonly isAllMulticast?: boolean | undefined
  /** Packets that may wait to be sent. */
  readonly txQueueLength?: number | undefined
  /** Index of the bridge or bond it belongs to. */
  readonly masterIndex?: number | undefined
  /** Index of a veth's other end, in the namespace where that is. */
  readonly peerIndex?: number | undefined
  /** A free text; ours mark what a link was made for. */
  readonly alias?: string | undefined
  /** When the master is a bridge. */
  readonly bridgePort?: BridgePort | undefined
  /** Of a bridge: does it keep VLANs apart? */
  readonly vlanFiltering?: boolean | undefined
}

/** Of a bridge to be created. */
export type BridgeSettings = {
  readonly name: string
  readonly mtu?: number | undefined
  /** The bridge keeps this MAC; without one it takes the lowest of its ports, whatever ports come and go. */
  readonly mac?: MacAddress | undefined
  readonly vlanFiltering?: boolean | undefined
}

/** Of a veth pair to be created; both ends are down. */
export type VethSettings = {
  readonly name: string
  /** Of both ends. */
  readonly mtu?: number | undefined
  /** Index of the bridge that the near end becomes a port of. */
  readonly masterIndex?: number | undefined
  readonly peer: {
    readonly name: string
    readonly mac?: MacAddress | undefined
    /** Descriptor of the namespace in which the far end appears; else the same as the near end's. */
    readonly namespaceFd?: number | undefined
  }
}

/** What to change of a link; what is not named stays. */
export type LinkChange = {
  readonly isUp?: boolean
  readonly isPromiscuous?: boolean
  readonly isAllMulticast?: boolean
  readonly txQueueLength?: number
  readonly mac?: MacAddress
  readonly mtu?: number
  readonly alias?: string
  /** 0 takes the link out of its bridge. */
  readonly masterIndex?: number
  /** Only for a port of a bridge. */
  readonly bridgePort?: BridgePort
  /** Only for a bridge. */
  readonly vlanFiltering?: boolean
}

/** Asks for the link with this index or name, or with neither for all. */
export function encodeLinkQuery(key: { index?: number; name?: string } = {}): Buffer {
  const attributes = key.name === undefined ? [] : [textAttribute(Ifla.ifname, key.name)]
  return linkMessage({ index: key.index ?? 0 }, attributes)
}

export function encodeBridge({ name, mtu, mac, vlanFiltering }: BridgeSettings): Buffer {
  return linkMessage({}, [
    textAttribute(Ifla.ifname, name),
    ...mtuAttribute(mtu),
    ...macAttribute(mac),
    bridgeInfo(vlanFiltering),
  ])
}

/** A link that drops what is sent by it: a place for addresses. It is down. */
export const encodeDummy = (name: string): Buffer =>
  linkMessage({}, [textAttribute(Ifla.ifname, name), linkInfo('dummy', [])])

export function encodeVeth({ name, mtu, masterIndex, peer }: VethSettings): Buffer {
  const peerAttributes = [
    textAttribute(Ifla.ifname, peer.name),
    ...mtuAttribute(mtu),
    ...macAttribute(peer.mac),
    ...(peer.namespaceFd === undefined ? [] : [u32Attribute(Ifla.netNsFd, peer.namespaceFd)]),
  ]
  // The peer's header stays zero: IFF_UP in it is refused (ENOTCONN) while it is in no namespace yet.
  const peerValue = Buffer.concat([Buffer.alloc(IFINFOMSG_BYTES), encodeAttributes(peerAttributes)])
  return linkMessage({}, [
    textAttribute(Ifla.ifname, name),
    ...mtuAttribute(mtu),
    ...(masterIndex === undefined ? [] : [u32Attribute(Ifla.master, masterIndex)]),
    linkInfo('veth', [{ type: VETH_PEER, value: peerValue }]),
  ])
}

export function encodeLinkChange(index: number, change: LinkChange): Buffer {
  const { mac, mtu, alias, masterIndex, bridgePort, txQueueLength, vlanFiltering } = change
  const { flags, mask } = flagsOf(change)
  return linkMessage({ index, flags, mask }, [
    ...mtuAttribute(mtu),
    ...macAttribute(mac),
    ...(masterIndex === undefined ? [] : [u32Attribute(Ifla.master, masterIndex)]),
    ...(txQueueLength === undefined ? [] : [u32Attribute(Ifla.txQueueLength, txQueueLength)]),
    // Without an ending zero: the kernel would count it as part of the alias.
    ...(alias === undefined ? [] : [{ type: Ifla.ifalias, value: Buffer.from(alias) }]),
    ...(bridgePort === undefined ? [] : [bridgePortInfo(bridgePort)]),
    ...(vlanFiltering === undefined ? [] : [bridgeInfo(vlanFiltering)]),
  ])
}

/** The flags to set, and which of them the kernel is to look at. */
function flagsOf({ isUp, isPromiscuous, isAllMulticast }: LinkChange): {
  flags: number
  mask: number
} {
  let [flags, mask] = [0, 0]
  const wishes = [
    [Iff.up, isUp],
    [Iff.promisc, isPromiscuous],
    [Iff.allMulticast, isAllMulticast],
  ] as const
  for (const [flag, wish] of wishes) {
    if (wish !== undefined) mask |= flag
    if (wish === true) flags |= flag
  }
  return { flags, mask }
}

/** The link that an RTM_NEWLINK message describes. */
export function decodeLink(payload: Buffer): Link {
  const attributes = decodeAttributes(payload.subarray(IFINFOMSG_BYTES))
  const info = readNested(attributes, Ifla.linkinfo)
  const flags = payload.readUInt32LE(8)
  const mac = attributes.get(Ifla.address)
  return {
    index: payload.readInt32LE(4),
    name: readText(attributes, Ifla.ifname) ?? '',
    kind: readText(info, Info.kind),
    mac: mac?.length === 6 ? macFromBytes(mac) : undefined,
    mtu: readUint(attributes, Ifla.mtu) ?? 0,
    isUp: (flags & Iff.up) !== 0,
    isOperational: readUint(attributes, Ifla.operstate) === IF_OPER_UP,
    isPromiscuous: (flags & Iff.promisc) !== 0,
    isAllMulticast: (flags & Iff.allMulticast) !== 0,
    txQueueLength: readUint(attributes, Ifla.txQueueLength),
    masterIndex: readUint(attributes, Ifla.master),
    peerIndex: readUint(attributes, Ifla.link),
    alias: readText(attributes, Ifla.ifalias),
    bridgePort: readText(info, Info.slaveKind) === 'bridge' ? readBridgePort(info) : undefined,
    vlanFiltering: readText(info, Info.kind) === 'bridge' ? readVlanFiltering(info) : undefined,
  }
}

function readBridgePort(info: AttributeMap): BridgePort {
  const data = readNested(info, Info.slaveData)
  return {
    hairpin: readUint(data, Port.mode) === 1,
    isolated: readUint(data, Port.isolated) === 1,
  }
}

const readVlanFiltering = (info: AttributeMap): boolean =>
  readUint(readNested(info, Info.data), BRIDGE_VLAN_FILTERING) === 1

/** struct ifinfomsg (linux/rtnetlink.h), then attributes. */
export function linkMessage(
  { index = 0, flags = 0, mask = 0 }: { index?: number; flags?: number; mask?: number },
  attributes: readonly Attribute[],
): Buffer {
  const header = Buffer.alloc(IFINFOMSG_BYTES)
  header.writeInt32LE(index, 4)
  header.writeUInt32LE(flags, 8)
  header.writeUInt32LE(mask, 12)
  return Buffer.concat([header, encodeAttributes(attributes)])
}

export const mtuAttribute = (mtu: number | undefined): Attribute[] =>
  mtu === undefined ? [] : [u32Attribute(Ifla.mtu, mtu)]

export const macAttribute = (mac: MacAddress | undefined): Attribute[] =>
  mac === undefined ? [] : [{ type: Ifla.address, value: macToBytes(mac) }]

export const linkInfo = (kind: string, data: readonly Attribute[]): Attribute => ({
  type: Ifla.linkinfo,
  value: [textAttribute(Info.kind, kind), { type: Info.data, value: data }],
})

const bridgeInfo = (vlanFiltering: boolean | undefined): Attribute =>
  linkInfo(
    'bridge',
    vlanFiltering === undefined ? [] : [u8Attribute(BRIDGE_VLAN_FILTERING, Number(vlanFiltering))],
  )

const bridgePortInfo = ({ hairpin, isolated }: BridgePort): Attribute => ({
  type: Ifla.linkinfo,
  value: [
    textAttribute(Info.slaveKind, 'bridge'),
    {
      type: Info.slaveData,
      value: [
        u8Attribute(Port.mode, Number(hairpin)),
        u8Attribute(Port.isolated, Number(isolated)),
      ],
    },
  ],
})
