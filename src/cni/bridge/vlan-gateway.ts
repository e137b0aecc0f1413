import { createHash } from 'node:crypto'
import { addPortVlans, removePortVlans } from '#linux/netlink/bridge-vlan.ts'
import { isExists, isUnsupported } from '#linux/netlink/error.ts'
import { changeLink, createVeth, findLink, type Link } from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { ignoreRouterAdvertisements } from '../veth/forwarding.ts'
import { requireLink } from '../veth/pair.ts'
import type { BridgeConfig } from './config.ts'
import { DEFAULT_VLAN, type PortVlans, vlanGatewayName } from './vlans.ts'

/** Makes a port a member of its VLANs. Can be repeated. @throws {NetlinkError} */
export async function setPortVlans(
  host: NetlinkSocket,
  port: number,
  { add, leavesDefault }: Pick<PortVlans, 'add' | 'leavesDefault'>,
): Promise<void> {
  if (leavesDefault) await removePortVlans(host, port, [DEFAULT_VLAN])
  await addPortVlans(host, port, add)
}

/**
 * The bridge keeps VLANs apart after this: without it the ports' VLANs would mean nothing. Switched on, it changes nothing
 * for ports that are all in the default VLAN. (The reference leaves an existing bridge as it is.)
 * @throws {CniError} code 2: the kernel was built without.
 */
export async function ensureVlanFiltering(host: NetlinkSocket, bridge: Link): Promise<void> {
  if (bridge.vlanFiltering === true) return
  await withVlans(() => changeLink(host, bridge.index, { vlanFiltering: true }))
}

/** Does what needs VLANs of bridges. @throws {CniError} code 2: the kernel was built without. */
export async function withVlans<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!isUnsupported(cause)) throw cause
    const why = 'vlan, vlanTrunk: not supported by the bridges of this kernel'
    throw new CniError(cniCodes.unsupportedField, why, { cause })
  }
}

/** The other end of a gateway's interface, a port of the bridge. The reference chooses the name by chance; derived, two ADDs make one pair. */
const vlanPortName = (gateway: string): string =>
  `vlan${createHash('sha256').update(gateway).digest('hex').slice(0, 11)}`

/**
 * The gateway's interface in a VLAN, up: one end of a veth pair, whose other end is a port of the bridge in the VLAN. All
 * attachments of the VLAN share it and it stays. One that exists is adopted, and what a killed ADD left of it is completed.
 */
export async function ensureVlanGateway(
  host: NetlinkSocket,
  bridge: Link,
  { vlan, mtu }: { readonly vlan: number } & Pick<BridgeConfig, 'mtu'>,
): Promise<Link> {
  const name = vlanGatewayName(bridge.name, vlan)
  if ((await findLink(host, name)) === undefined) {
    const settings = { name: vlanPortName(name), mtu, masterIndex: bridge.index, peer: { name } }
    await createVeth(host, settings).catch((error: unknown) => {
      // Another ADD was faster.
      if (!isExists(error)) throw error
    })
  }
  const gateway = await requireLink(host, name)
  const port = gateway.peerIndex === undefined ? undefined : await findLink(host, gateway.peerIndex)
  if (port?.masterIndex === bridge.index) {
    const add = [{ id: vlan, isPvid: true, isUntagged: true }]
    await setPortVlans(host, port.index, { add, leavesDefault: vlan !== DEFAULT_VLAN })
    ignoreRouterAdvertisements(port.name)
    if (!port.isUp) await changeLink(host, port.index, { isUp: true })
  }
  ignoreRouterAdvertisements(name)
  if (!gateway.isUp) await changeLink(host, gateway.index, { isUp: true })
  return gateway
}
