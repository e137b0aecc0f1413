import {
  ensureAddress,
  type LinkAddress,
  listAddresses,
  removeAddress,
} from '#linux/netlink/address.ts'
import { isExists } from '#linux/netlink/error.ts'
import { createDummy, findLink } from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type IpAddress, type IpFamily, isLoopback } from '#net/ip.ts'
import { hostPrefix } from '#net/prefix.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { DUMMY_LINK } from './dummy-link.ts'

/** Instead of a link index. */
const ALL_LINKS = 0

/** Something else has the name of the dummy link. */
export class DummyLinkError extends NodeplaneError {
  readonly code = 'ERR_DUMMY_LINK'
  constructor(kind: string | undefined) {
    super(`link ${DUMMY_LINK}: is a ${kind ?? 'device'}, not a dummy; remove or rename it`)
  }
}

/** The index of the dummy link, or undefined. @throws {DummyLinkError}, {NetlinkError} */
export async function findDummy(socket: NetlinkSocket): Promise<number | undefined> {
  const link = await findLink(socket, DUMMY_LINK)
  if (link !== undefined && link.kind !== 'dummy') throw new DummyLinkError(link.kind)
  return link?.index
}

/** The index of the dummy link, which is made when it is missing; it stays down. @throws as {@link findDummy}. */
export async function ensureDummy(socket: NetlinkSocket): Promise<number> {
  try {
    const found = await findDummy(socket)
    if (found !== undefined) return found
    await createDummy(socket, DUMMY_LINK)
  } catch (error) {
    // The other family's engine was faster.
    if (!isExists(error)) throw error
  }
  return (await findDummy(socket)) ?? (await ensureDummy(socket))
}

export type Addresses = {
  /** Of Services. */
  readonly dummy: ReadonlySet<IpAddress>
  /** Of all other links, loopback and link-local ones left out. */
  readonly machine: ReadonlySet<IpAddress>
}

/** The addresses of one family on this machine. @throws {NetlinkError} */
export async function readAddresses(
  socket: NetlinkSocket,
  family: IpFamily,
  dummyIndex: number | undefined,
): Promise<Addresses> {
  const all = (await listAddresses(socket, ALL_LINKS)).filter(
    ({ prefix, isGlobal }) => prefix.family === family && isGlobal && !isLoopback(prefix.address),
  )
  const of = (list: readonly LinkAddress[]) => new Set(list.map(({ prefix }) => prefix.address))
  const { dummy = [], machine = [] } = Object.groupBy(all, ({ linkIndex }) =>
    linkIndex === dummyIndex ? 'dummy' : 'machine',
  )
  return { dummy: of(dummy), machine: of(machine) }
}

export const bind = (socket: NetlinkSocket, linkIndex: number, ip: IpAddress) =>
  ensureAddress(socket, { linkIndex, prefix: hostPrefix(ip) })

export const unbind = (socket: NetlinkSocket, linkIndex: number, ip: IpAddress) =>
  removeAddress(socket, { linkIndex, prefix: hostPrefix(ip) })
