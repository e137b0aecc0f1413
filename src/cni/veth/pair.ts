import type { NetworkNamespace } from '#linux/namespace.ts'
import { isExists } from '#linux/netlink/error.ts'
import {
  type BridgePort,
  changeLink,
  createVeth,
  findLink,
  type Link,
  removeLink,
} from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import type { MacAddress } from '#net/mac.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Attachment } from '../attachment.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { ignoreRouterAdvertisements } from './forwarding.ts'
import { hostLinkAlias, hostLinkName } from './identity.ts'

/** The two namespaces of an attachment. */
export type Sides = {
  readonly host: NetlinkSocket
  readonly container: NetlinkSocket
  readonly namespace: NetworkNamespace
}

export type PairSettings = {
  /** undefined: the kernel's own. */
  readonly mtu: number | undefined
  /** Of the container's end; undefined: by chance. */
  readonly mac?: MacAddress | undefined
  /** Index of the bridge. */
  readonly masterIndex?: number
}

/**
 * Creates the attachment's veth pair, with a master its near end as a port of that.
 * @throws {CniError} code 4: the container has an interface of this name, which stays as it is.
 */
export async function createPair(
  { host, container, namespace }: Sides,
  attachment: Attachment,
  { mtu, mac, masterIndex }: PairSettings,
): Promise<void> {
  const { ifname } = attachment
  const name = hostLinkName(attachment)
  try {
    await createVeth(host, {
      name,
      mtu,
      masterIndex,
      peer: { name: ifname, mac, namespaceFd: namespace.fd },
    })
  } catch (cause) {
    if (!isExists(cause)) throw cause
    const isTaken = (await findLink(container, ifname)) !== undefined
    const why = isTaken
      ? `interface ${ifname} already exists in the container`
      : `the attachment's link ${name} already exists on the host`
    throw new CniError(cniCodes.invalidEnvironment, `CNI_IFNAME: ${why}`, { cause })
  }
}

/**
 * Sets the near end up and marks it with its owner. With a bridge it is a port already, so that no frame passes it by the wrong
 * rules.
 */
export async function setUpHostLink(
  host: NetlinkSocket,
  attachment: Attachment,
  bridgePort?: BridgePort,
): Promise<Link> {
  const link = await requireLink(host, hostLinkName(attachment))
  ignoreRouterAdvertisements(link.name)
  await changeLink(host, link.index, {
    isUp: true,
    alias: hostLinkAlias(attachment),
    ...(bridgePort === undefined ? {} : { bridgePort }),
  })
  return link
}

/** Removes the pair by its near end; false when that is not there, or somebody else's. */
export async function removePair(host: NetlinkSocket, attachment: Attachment): Promise<boolean> {
  const link = await findLink(host, hostLinkName(attachment))
  // Without alias: the ADD that made it was killed.
  const isOurs = link?.alias === undefined || link.alias === hostLinkAlias(attachment)
  return link !== undefined && isOurs && (await removeLink(host, link.index))
}

/** Waits between looks at the port; the kernel tells of a carrier by a worker, which takes some milliseconds. */
const PORT_WAITS_MS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1000]

/** Waits until frames pass the near end, at most 3 s. @throws {CniError} code 999: they do not. */
export async function waitForPort(host: NetlinkSocket, index: number, clock: Clock): Promise<void> {
  for (const waitMs of PORT_WAITS_MS) {
    if (waitMs > 0) await clock.sleep(waitMs)
    if ((await findLink(host, index))?.isOperational) return
  }
  throw new CniError(cniCodes.internal, 'the host end of the veth pair is not operational')
}

/** A link that must be there. @throws {CniError} code 999: somebody removed it meanwhile. */
export async function requireLink(socket: NetlinkSocket, key: number | string): Promise<Link> {
  const link = await findLink(socket, key)
  if (link === undefined) throw new CniError(cniCodes.internal, `link ${key} vanished`)
  return link
}
