import { type Attribute, align, decodeAttributes, u32Attribute } from './attribute.ts'
import { IFINFOMSG_BYTES, linkMessage, RTM_DELLINK, RTM_GETLINK } from './link-message.ts'
import type { NetlinkSocket } from './socket.ts'

const RTM_SETLINK = 19
/** AF_BRIDGE (linux/socket.h): messages about ports instead of links. */
const AF_BRIDGE = 7
const IFLA_AF_SPEC = 26
const IFLA_EXT_MASK = 29
/** RTEXT_FILTER_BRVLAN: the list of ports comes with their VLANs, each by itself. */
const RTEXT_FILTER_BRVLAN = 2
/** IFLA_BRIDGE_VLAN_INFO: struct bridge_vlan_info { u16 flags; u16 vid } (linux/if_bridge.h). */
const BRIDGE_VLAN_INFO = 2
const VlanFlag = { pvid: 2, untagged: 4 } as const
const VLAN_INFO_BYTES = 8

/** A port's membership in a VLAN. */
export type PortVlan = {
  /** 1–4094 */
  readonly id: number
  /** Frames without a tag that come in by the port are of this VLAN; a port has one such. */
  readonly isPvid: boolean
  /** Frames of the VLAN leave by the port without a tag. */
  readonly isUntagged: boolean
}

/** Makes a port a member of these VLANs, beside those it is in. @throws {NetlinkError} EOPNOTSUPP: not in this kernel. */
export async function addPortVlans(
  socket: NetlinkSocket,
  port: number,
  vlans: readonly PortVlan[],
): Promise<void> {
  await socket.request({
    operation: `add VLANs ${vlans.map(({ id }) => id).join(', ')} of port ${port}`,
    type: RTM_SETLINK,
    payload: encodePortVlans(port, vlans),
  })
}

/** Takes a port out of these VLANs; those it is not in are no error. @throws {NetlinkError} */
export async function removePortVlans(
  socket: NetlinkSocket,
  port: number,
  ids: readonly number[],
): Promise<void> {
  await socket.request({
    operation: `remove VLANs ${ids.join(', ')} of port ${port}`,
    type: RTM_DELLINK,
    payload: encodePortVlans(
      port,
      ids.map(id => ({ id, isPvid: false, isUntagged: false })),
    ),
  })
}

/** The VLANs a port is in, ascending; none where its bridge does not know VLANs. @throws {NetlinkError} */
export async function listPortVlans(
  socket: NetlinkSocket,
  port: number,
): Promise<readonly PortVlan[]> {
  const messages = await socket.dump({
    operation: 'list VLANs of ports',
    type: RTM_GETLINK,
    payload: portMessage(0, [u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN)]),
  })
  return messages
    .filter(({ payload }) => payload.readInt32LE(4) === port)
    .flatMap(({ payload }) => decodePortVlans(payload))
}

/** The payload of RTM_SETLINK and RTM_DELLINK about a port's VLANs. */
export const encodePortVlans = (port: number, vlans: readonly PortVlan[]): Buffer =>
  portMessage(port, [{ type: IFLA_AF_SPEC, value: vlans.map(vlanInfo) }])

/** The VLANs in an RTM_NEWLINK message about a port. */
export function decodePortVlans(payload: Buffer): readonly PortVlan[] {
  const list = decodeAttributes(payload.subarray(IFINFOMSG_BYTES)).get(IFLA_AF_SPEC)
  const vlans: PortVlan[] = []
  // Read here: a map of attributes would keep only the last of equal types.
  for (let offset = 0; list !== undefined && offset + VLAN_INFO_BYTES <= list.length; ) {
    if (list.readUInt16LE(offset + 2) === BRIDGE_VLAN_INFO) {
      const flags = list.readUInt16LE(offset + 4)
      vlans.push({
        id: list.readUInt16LE(offset + 6),
        isPvid: (flags & VlanFlag.pvid) !== 0,
        isUntagged: (flags & VlanFlag.untagged) !== 0,
      })
    }
    offset += Math.max(align(list.readUInt16LE(offset)), VLAN_INFO_BYTES)
  }
  return vlans
}

function vlanInfo({ id, isPvid, isUntagged }: PortVlan): Attribute {
  const value = Buffer.alloc(4)
  value.writeUInt16LE((isPvid ? VlanFlag.pvid : 0) | (isUntagged ? VlanFlag.untagged : 0), 0)
  value.writeUInt16LE(id, 2)
  return { type: BRIDGE_VLAN_INFO, value }
}

function portMessage(index: number, attributes: readonly Attribute[]): Buffer {
  const message = linkMessage({ index }, attributes)
  message[0] = AF_BRIDGE
  return message
}
