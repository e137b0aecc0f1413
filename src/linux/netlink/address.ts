import { addressBits, type IpFamily, ipFromBytes, ipToBytes } from '#net/ip.ts'
import { type IpPrefix, lastAddress } from '#net/prefix.ts'
import {
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  readUint,
  u32Attribute,
} from './attribute.ts'
import { isExists, isNotFound } from './error.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22

/** IFA_… (linux/if_addr.h). */
const Ifa = { address: 1, local: 2, broadcast: 4, flags: 8 } as const
/** IFA_F_… */
const IfaFlag = { noDad: 0x02, dadFailed: 0x08, tentative: 0x40, noPrefixRoute: 0x200 } as const

/** AF_INET, AF_INET6 */
export const addressFamily = (family: IpFamily): number => (family === 4 ? 2 : 10)

/** RT_SCOPE_UNIVERSE: not link-local, not loopback. */
const SCOPE_UNIVERSE = 0

/** Bytes of struct ifaddrmsg. */
const IFADDRMSG_BYTES = 8

/** An address of a link. */
export type LinkAddress = {
  readonly linkIndex: number
  readonly prefix: IpPrefix
  readonly isGlobal: boolean
  /** Duplicate detection has not ended: it cannot be used yet. */
  readonly isTentative: boolean
  /** Duplicate detection found another owner. */
  readonly isDuplicate: boolean
}

export type AddressSettings = {
  readonly linkIndex: number
  /** The host's address with the length of its subnet. */
  readonly prefix: IpPrefix
  /** IPv6: look for another owner first (about a second); otherwise it can be used at once. */
  readonly duplicateDetection?: boolean
  /** Without the route to the address's subnet. */
  readonly isWithoutRoute?: boolean
}

/** The payload of RTM_NEWADDR and RTM_DELADDR. */
export function encodeAddress(settings: AddressSettings): Buffer {
  const { linkIndex, prefix, duplicateDetection, isWithoutRoute } = settings
  const flags =
    (prefix.family === 6 && duplicateDetection !== true ? IfaFlag.noDad : 0) |
    (isWithoutRoute === true ? IfaFlag.noPrefixRoute : 0)
  const bytes = ipToBytes(prefix.address)
  const attributes: Attribute[] = [
    { type: Ifa.local, value: bytes },
    { type: Ifa.address, value: bytes },
  ]
  // /31 and /32 have no broadcast address (RFC 3021).
  if (prefix.family === 4 && prefix.length < addressBits(4) - 1) {
    attributes.push({ type: Ifa.broadcast, value: ipToBytes(lastAddress(prefix)) })
  }
  if (flags !== 0) attributes.push(u32Attribute(Ifa.flags, flags))
  return addressMessage(
    { family: prefix.family, length: prefix.length, flags, linkIndex },
    attributes,
  )
}

/** struct ifaddrmsg (linux/if_addr.h), then attributes. */
export function addressMessage(
  header: { family?: IpFamily; length?: number; flags?: number; linkIndex: number },
  attributes: readonly Attribute[],
): Buffer {
  const bytes = Buffer.alloc(IFADDRMSG_BYTES)
  bytes[0] = header.family === undefined ? 0 : addressFamily(header.family)
  bytes[1] = header.length ?? 0
  bytes[2] = header.flags ?? 0
  bytes[3] = SCOPE_UNIVERSE
  bytes.writeUInt32LE(header.linkIndex, 4)
  return Buffer.concat([bytes, encodeAttributes(attributes)])
}

/** The address that an RTM_NEWADDR message describes. */
export function decodeAddress(payload: Buffer): LinkAddress {
  const attributes = decodeAttributes(payload.subarray(IFADDRMSG_BYTES))
  // On a point-to-point link IFA_ADDRESS is the peer's; IPv6 has IFA_LOCAL only there.
  const bytes = attributes.get(Ifa.local) ?? attributes.get(Ifa.address)
  if (bytes === undefined) throw new RangeError('an address message without address')
  const flags = readUint(attributes, Ifa.flags) ?? payload.readUInt8(2)
  const address = ipFromBytes(bytes)
  return {
    linkIndex: payload.readUInt32LE(4),
    prefix: { family: bytes.length === 4 ? 4 : 6, address, length: payload.readUInt8(1) },
    isGlobal: payload.readUInt8(3) === SCOPE_UNIVERSE,
    isTentative: (flags & IfaFlag.tentative) !== 0,
    isDuplicate: (flags & IfaFlag.dadFailed) !== 0,
  }
}

/** The addresses of a link, or with 0 of all links, both families. @throws {NetlinkError} */
export async function listAddresses(
  socket: NetlinkSocket,
  linkIndex: number,
): Promise<readonly LinkAddress[]> {
  const messages = await socket.dump({
    operation: `list addresses of link ${linkIndex}`,
    type: RTM_GETADDR,
    payload: addressMessage({ linkIndex }, []),
  })
  return messages.map(({ payload }) => decodeAddress(payload))
}

/** Gives a link an address; the route to its subnet comes with it. False when it had it. @throws {NetlinkError} */
export async function ensureAddress(
  socket: NetlinkSocket,
  settings: AddressSettings,
): Promise<boolean> {
  try {
    await socket.request({
      operation: `add address ${settings.prefix.address} to link ${settings.linkIndex}`,
      type: RTM_NEWADDR,
      flags: Flag.create | Flag.exclusive,
      payload: encodeAddress(settings),
    })
    return true
  } catch (error) {
    if (isExists(error)) return false
    throw error
  }
}

/** Takes an address from a link; false when it had none. @throws {NetlinkError} */
export async function removeAddress(
  socket: NetlinkSocket,
  settings: Pick<AddressSettings, 'linkIndex' | 'prefix'>,
): Promise<boolean> {
  try {
    await socket.request({
      operation: `remove address ${settings.prefix.address} from link ${settings.linkIndex}`,
      type: RTM_DELADDR,
      payload: encodeAddress(settings),
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
