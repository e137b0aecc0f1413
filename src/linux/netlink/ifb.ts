import { textAttribute } from './attribute.ts'
import { Ifla, linkInfo, linkMessage, mtuAttribute, RTM_NEWLINK } from './link-message.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** Of an intermediate functional block: a link that shapes what others receive, by sending it to itself. */
export type IfbSettings = { readonly name: string; readonly mtu: number }

/** The payload of RTM_NEWLINK that creates the device. */
export const encodeIfb = ({ name, mtu }: IfbSettings): Buffer =>
  linkMessage({}, [textAttribute(Ifla.ifname, name), ...mtuAttribute(mtu), linkInfo('ifb', [])])

/** Creates the device, down. @throws {NetlinkError} EEXIST: a link has this name. */
export async function createIfb(socket: NetlinkSocket, ifb: IfbSettings): Promise<void> {
  await socket.request({
    operation: `create ifb ${ifb.name}`,
    type: RTM_NEWLINK,
    flags: Flag.create | Flag.exclusive,
    payload: encodeIfb(ifb),
  })
}
