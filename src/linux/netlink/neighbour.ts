import { familyOf, type IpAddress, type IpFamily, ipFromBytes, ipToBytes } from '#net/ip.ts'
import { type MacAddress, macFromBytes, macToBytes } from '#net/mac.ts'
import { addressFamily } from './address.ts'
import { type Attribute, decodeAttributes, encodeAttributes, u32Attribute } from './attribute.ts'
import { isNotFound } from './error.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
const RTM_GETNEIGH = 30

/** NDA_… (linux/neighbour.h). */
const Nda = { dst: 1, lladdr: 2, ifindex: 8 } as const
/** NUD_… */
const Nud = { noarp: 0x40, permanent: 0x80 } as const
/** NTF_SELF: the entry of the device itself, not of a bridge it is a port of. */
const NTF_SELF = 0x02
/** AF_BRIDGE: the forwarding database. */
const AF_BRIDGE = 7

/** Bytes of struct ndmsg. */
const NDMSG_BYTES = 12

/**
 * A permanent entry of a link. In the table `neighbours` it says which MAC a next hop has; in `forwarding`, the database
 * of a VXLAN device, which machine (outer destination) has a MAC.
 */
export type NeighbourEntry = {
  readonly table: 'neighbours' | 'forwarding'
  readonly linkIndex: number
  readonly address: IpAddress
  readonly mac: MacAddress
}

/** The payload of RTM_NEWNEIGH and RTM_DELNEIGH: struct ndmsg, then attributes. */
export function encodeNeighbour({ table, linkIndex, address, mac }: NeighbourEntry): Buffer {
  const isForwarding = table === 'forwarding'
  return neighbourMessage(
    {
      family: isForwarding ? AF_BRIDGE : addressFamily(familyOf(address)),
      linkIndex,
      // Without NOARP an entry of a forwarding database is taken for an address of the machine itself.
      state: isForwarding ? Nud.permanent | Nud.noarp : Nud.permanent,
      flags: isForwarding ? NTF_SELF : 0,
    },
    [
      { type: Nda.dst, value: ipToBytes(address) },
      { type: Nda.lladdr, value: macToBytes(mac) },
    ],
  )
}

function neighbourMessage(
  header: { family: number; linkIndex?: number; state?: number; flags?: number },
  attributes: readonly Attribute[],
): Buffer {
  const bytes = Buffer.alloc(NDMSG_BYTES)
  bytes[0] = header.family
  bytes.writeInt32LE(header.linkIndex ?? 0, 4)
  bytes.writeUInt16LE(header.state ?? 0, 8)
  bytes[10] = header.flags ?? 0
  return Buffer.concat([bytes, encodeAttributes(attributes)])
}

/** The permanent entry that an RTM_NEWNEIGH message describes; undefined for one that was learned, or has no address. */
export function decodeNeighbour(payload: Buffer): NeighbourEntry | undefined {
  const attributes = decodeAttributes(payload.subarray(NDMSG_BYTES))
  const address = attributes.get(Nda.dst)
  const mac = attributes.get(Nda.lladdr)
  const isPermanent = (payload.readUInt16LE(8) & Nud.permanent) !== 0
  if (!isPermanent || address === undefined || mac?.length !== 6) return undefined
  return {
    table: payload[0] === AF_BRIDGE ? 'forwarding' : 'neighbours',
    linkIndex: neighbourLinkIndex(payload),
    address: ipFromBytes(address),
    mac: macFromBytes(mac),
  }
}

/** The link that an RTM_NEWNEIGH or RTM_DELNEIGH message is about. */
export const neighbourLinkIndex = (payload: Buffer): number => payload.readInt32LE(4)

/** The permanent entries of a link, of the next hops of one family or of its forwarding database. @throws {NetlinkError} */
export async function listNeighbours(
  socket: NetlinkSocket,
  linkIndex: number,
  of: IpFamily | 'forwarding',
): Promise<readonly NeighbourEntry[]> {
  const family = of === 'forwarding' ? AF_BRIDGE : addressFamily(of)
  const messages = await socket.dump({
    operation: `list neighbours of link ${linkIndex}`,
    type: RTM_GETNEIGH,
    payload: neighbourMessage({ family }, [u32Attribute(Nda.ifindex, linkIndex)]),
  })
  return messages
    .map(({ payload }) => decodeNeighbour(payload))
    .filter(entry => entry?.linkIndex === linkIndex)
    .filter(entry => entry !== undefined)
}

/** Sets an entry in place of the one with the same key: the next hop's address, or the MAC. @throws {NetlinkError} */
export async function replaceNeighbour(
  socket: NetlinkSocket,
  entry: NeighbourEntry,
): Promise<void> {
  await socket.request({
    operation: `set ${describe(entry)}`,
    type: RTM_NEWNEIGH,
    flags: Flag.create | Flag.replace,
    payload: encodeNeighbour(entry),
  })
}

/** Removes an entry; false when there is none. @throws {NetlinkError} */
export async function removeNeighbour(
  socket: NetlinkSocket,
  entry: NeighbourEntry,
): Promise<boolean> {
  try {
    await socket.request({
      operation: `remove ${describe(entry)}`,
      type: RTM_DELNEIGH,
      payload: encodeNeighbour(entry),
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

const describe = ({ table, address, mac, linkIndex }: NeighbourEntry): string =>
  table === 'forwarding'
    ? `forwarding entry ${mac} to ${address} of link ${linkIndex}`
    : `neighbour ${address} at ${mac} of link ${linkIndex}`
