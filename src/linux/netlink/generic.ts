import { decodeAttributes, encodeAttributes, readUint, textAttribute } from './attribute.ts'
import { isNotFound, NetlinkError } from './error.ts'
import type { NetlinkSocket } from './socket.ts'

/** NETLINK_GENERIC (linux/netlink.h): a protocol for families whose numbers the kernel gives out as they come. */
export const NETLINK_GENERIC = 16

/** GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_… (linux/genetlink.h). */
const CONTROLLER = 0x10
const GET_FAMILY = 3
const Ctrl = { familyId: 1, familyName: 2 } as const

const ENOENT = 2

/** Bytes of struct genlmsghdr: command u8, version u8, reserved u16. */
export const GENLMSGHDR_BYTES = 4

/** The payload of a request to a family: struct genlmsghdr, then attributes. */
export const genericMessage = (command: number, version: number, attributes: Buffer): Buffer =>
  Buffer.concat([Buffer.of(command, version, 0, 0), attributes])

/**
 * The message type of a family. Asking loads the module that offers it.
 * @throws {NetlinkError} ENOENT: the kernel has no such family.
 */
export async function genericFamily(socket: NetlinkSocket, name: string): Promise<number> {
  const operation = `find netlink family ${name}`
  const attributes = encodeAttributes([textAttribute(Ctrl.familyName, name)])
  const payload = genericMessage(GET_FAMILY, 1, attributes)
  const [answer] = await socket
    .request({ operation, type: CONTROLLER, payload })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error
      throw new NetlinkError(operation, ENOENT, 'the kernel does not have it, nor a module for it')
    })
  const told = decodeAttributes(answer?.payload.subarray(GENLMSGHDR_BYTES) ?? Buffer.alloc(0))
  const id = readUint(told, Ctrl.familyId)
  if (id === undefined) throw new RangeError(`${operation}: an answer without number`)
  return id
}
