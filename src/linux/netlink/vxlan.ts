import { familyOf, type IpAddress, ipFromBytes, ipToBytes } from '#net/ip.ts'
import type { MacAddress } from '#net/mac.ts'
import {
  type Attribute,
  decodeAttributes,
  readNested,
  readUint,
  textAttribute,
  u8Attribute,
  u32Attribute,
} from './attribute.ts'
import { findLinkOfKind } from './link.ts'
import {
  decodeLink,
  IFINFOMSG_BYTES,
  Ifla,
  Info,
  type Link,
  linkInfo,
  linkMessage,
  macAttribute,
  mtuAttribute,
  RTM_NEWLINK,
} from './link-message.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** IFLA_VXLAN_… (linux/if_link.h). */
const Vxlan = { id: 1, local: 4, learning: 7, port: 15, local6: 17 } as const

/** Of a VXLAN device whose peers are all told to it: it learns none. */
export type VxlanSettings = {
  readonly name: string
  readonly mac: MacAddress
  readonly mtu: number
  /** VXLAN network identifier, 1–16777215. */
  readonly vni: number
  /** UDP port, the same on all machines. */
  readonly port: number
  /** Source of the outer packets; its family is that of the underlay. */
  readonly local: IpAddress
}

/** A VXLAN device as the kernel describes it. */
export type VxlanLink = Link & {
  readonly vni: number
  readonly port: number
  readonly local: IpAddress | undefined
  readonly isLearning: boolean
}

/** The payload of RTM_NEWLINK that creates the device. */
export function encodeVxlan({ name, mac, mtu, vni, port, local }: VxlanSettings): Buffer {
  const portBytes = Buffer.alloc(2)
  // A be16, unlike most numbers of netlink.
  portBytes.writeUInt16BE(port)
  const data: readonly Attribute[] = [
    u32Attribute(Vxlan.id, vni),
    { type: familyOf(local) === 4 ? Vxlan.local : Vxlan.local6, value: ipToBytes(local) },
    u8Attribute(Vxlan.learning, 0),
    { type: Vxlan.port, value: portBytes },
  ]
  // Born with its MAC: one that systemd-networkd or udev sees first without gets another from them.
  return linkMessage({}, [
    textAttribute(Ifla.ifname, name),
    ...mtuAttribute(mtu),
    ...macAttribute(mac),
    linkInfo('vxlan', data),
  ])
}

/** The VXLAN device that an RTM_NEWLINK message describes; undefined when it describes another kind of link. */
export function decodeVxlan(payload: Buffer): VxlanLink | undefined {
  const link = decodeLink(payload)
  if (link.kind !== 'vxlan') return undefined
  const attributes = decodeAttributes(payload.subarray(IFINFOMSG_BYTES))
  const data = readNested(readNested(attributes, Ifla.linkinfo), Info.data)
  const local = data.get(Vxlan.local) ?? data.get(Vxlan.local6)
  return {
    ...link,
    vni: readUint(data, Vxlan.id) ?? 0,
    port: data.get(Vxlan.port)?.readUInt16BE(0) ?? 0,
    local: local === undefined ? undefined : ipFromBytes(local),
    isLearning: readUint(data, Vxlan.learning) === 1,
  }
}

/** Creates a VXLAN device, down. @throws {NetlinkError} EEXIST: its name, or its VNI and port, are taken. */
export async function createVxlan(socket: NetlinkSocket, vxlan: VxlanSettings): Promise<void> {
  await socket.request({
    operation: `create vxlan ${vxlan.name} (VNI ${vxlan.vni}, port ${vxlan.port})`,
    type: RTM_NEWLINK,
    flags: Flag.create | Flag.exclusive,
    payload: encodeVxlan(vxlan),
  })
}

/** What has this name: a VXLAN device, a link of another kind, or undefined. @throws {NetlinkError} */
export const findVxlan = (
  socket: NetlinkSocket,
  name: string,
): Promise<VxlanLink | 'another kind' | undefined> => findLinkOfKind(socket, name, decodeVxlan)
