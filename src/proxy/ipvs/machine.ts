import {
  ensureAddress,
  type LinkAddress,
  listAddresses,
  removeAddress,
} from '#linux/netlink/address.ts'
import { isExists } from '#linux/netlink/error.ts'
import { createDummy, findLink } from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type IpAddress, type IpFamily, isLinkLocal, isLoopback } from '#net/ip.ts'
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
  /** Of all other links: all but loopback ones and IPv6's link-local ones (kube-proxy), whatever their scope. */
  readonly machine: ReadonlySet<IpAddress>
}

/** The addresses of one family on this machine. @throws {NetlinkError} */
export const readAddresses = async (
  socket: NetlinkSocket,
  family: IpFamily,
  dummyIndex: number | undefined,
): Promise<Addresses> => addressesFrom(await listAddresses(socket, ALL_LINKS), family, dummyIndex)

/** Those of one family, by what they are for. Pure. */
export function addressesFrom(
  list: readonly Pick<LinkAddress, 'linkIndex' | 'prefix'>[],
  family: IpFamily,
  dummyIndex: number | undefined,
): Addresses {
  const dummy = new Set<IpAddress>()
  const machine = new Set<IpAddress>()
  for (const { linkIndex, prefix } of list) {
    const { address } = prefix
    if (prefix.family !== family || isLoopback(address)) continue
    if (family === 6 && isLinkLocal(address)) continue
    const kind = linkIndex === dummyIndex ? dummy : machine
    kind.add(address)
  }
  return { dummy, machine }
}

export const bind = (socket: NetlinkSocket, linkIndex: number, ip: IpAddress) =>
  ensureAddress(socket, { linkIndex, prefix: hostPrefix(ip) })

export const unbind = (socket: NetlinkSocket, linkIndex: number, ip: IpAddress) =>
  removeAddress(socket, { linkIndex, prefix: hostPrefix(ip) })
