import { decodeAttributes, readNested, readUint, textAttribute, u32Attribute } from './attribute.ts'
import { findLinkOfKind } from './link.ts'
import {
  decodeLink,
  encodeLinkQuery,
  IFINFOMSG_BYTES,
  Ifla,
  Info,
  type Link,
  linkInfo,
  linkMessage,
  RTM_GETLINK,
  RTM_NEWLINK,
} from './link-message.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** IFLA_VRF_TABLE (linux/if_link.h) */
const VRF_TABLE = 1

/** Of a VRF device: what its ports receive and send is routed by its table. */
export type VrfSettings = { readonly name: string; readonly table: number }

/** A VRF device as the kernel describes it. */
export type VrfLink = Link & { readonly table: number }

/** The payload of RTM_NEWLINK that creates the device. */
export const encodeVrf = ({ name, table }: VrfSettings): Buffer =>
  linkMessage({}, [
    textAttribute(Ifla.ifname, name),
    linkInfo('vrf', [u32Attribute(VRF_TABLE, table)]),
  ])

/** The VRF device that an RTM_NEWLINK message describes; undefined when it describes another kind of link. */
export function decodeVrf(payload: Buffer): VrfLink | undefined {
  const link = decodeLink(payload)
  if (link.kind !== 'vrf') return undefined
  const attributes = decodeAttributes(payload.subarray(IFINFOMSG_BYTES))
  const data = readNested(readNested(attributes, Ifla.linkinfo), Info.data)
  return { ...link, table: readUint(data, VRF_TABLE) ?? 0 }
}

/** Creates a VRF device, down. @throws {NetlinkError} EEXIST: a link has this name; EOPNOTSUPP: the kernel has no VRF. */
export async function createVrf(socket: NetlinkSocket, vrf: VrfSettings): Promise<void> {
  await socket.request({
    operation: `create vrf ${vrf.name} (table ${vrf.table})`,
    type: RTM_NEWLINK,
    flags: Flag.create | Flag.exclusive,
    payload: encodeVrf(vrf),
  })
}

/** What has this name: a VRF device, a link of another kind, or undefined. @throws {NetlinkError} */
export const findVrf = (
  socket: NetlinkSocket,
  name: string,
): Promise<VrfLink | 'another kind' | undefined> => findLinkOfKind(socket, name, decodeVrf)

/** The VRF devices of the namespace. @throws {NetlinkError} */
export async function listVrfs(socket: NetlinkSocket): Promise<readonly VrfLink[]> {
  const payload = encodeLinkQuery()
  const messages = await socket.dump({ operation: 'list vrfs', type: RTM_GETLINK, payload })
  return messages.flatMap(message => decodeVrf(message.payload) ?? [])
}
