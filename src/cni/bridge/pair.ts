import type { NetworkNamespace } from '#linux/namespace.ts'
import { addPortVlans, removePortVlans } from '#linux/netlink/bridge-vlan.ts'
import { isExists } from '#linux/netlink/error.ts'
import { changeLink, createVeth, findLink, type Link, removeLink } from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Attachment } from '../attachment.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { BridgeConfig } from './config.ts'
import { ignoreRouterAdvertisements } from './host.ts'
import { hostLinkAlias, hostLinkName } from './identity.ts'
import { DEFAULT_VLAN, type PortVlans } from './vlans.ts'

/** The two namespaces of an attachment. */
export type Sides = {
  readonly host: NetlinkSocket
  readonly container: NetlinkSocket
  readonly namespace: NetworkNamespace
}

/**
 * Creates the attachment's veth pair, its near end a port of the bridge.
 * @throws {CniError} code 4: the container has an interface of this name, which stays as it is.
 */
export async function createPair(
  { host, container, namespace }: Sides,
  attachment: Attachment,
  { mtu, mac, masterIndex }: Pick<BridgeConfig, 'mtu' | 'mac'> & { masterIndex: number },
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

/** Sets the near end up and marks it with its owner. It is a port already, so that no frame passes it by the wrong rules. */
export async function setUpHostLink(
  host: NetlinkSocket,
  attachment: Attachment,
  {
    hairpinMode,
    portIsolation,
    vlans,
  }: Pick<BridgeConfig, 'hairpinMode' | 'portIsolation' | 'vlans'>,
): Promise<Link> {
  const link = await requireLink(host, hostLinkName(attachment))
  ignoreRouterAdvertisements(link.name)
  if (vlans !== undefined) await setPortVlans(host, link.index, vlans)
  await changeLink(host, link.index, {
    isUp: true,
    alias: hostLinkAlias(attachment),
    bridgePort: { hairpin: hairpinMode, isolated: portIsolation },
  })
  return link
}

/** Makes a port a member of its VLANs. Can be repeated. @throws {NetlinkError} */
export async function setPortVlans(
  host: NetlinkSocket,
  port: number,
  { add, leavesDefault }: Pick<PortVlans, 'add' | 'leavesDefault'>,
): Promise<void> {
  if (leavesDefault) await removePortVlans(host, port, [DEFAULT_VLAN])
  await addPortVlans(host, port, add)
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
