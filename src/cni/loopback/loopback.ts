import { listAddresses } from '#linux/netlink/address.ts'
import { changeLink, findLink, type Link } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { isLoopback } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { findContainer, openContainer } from '../container.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniPlugin } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'

/** Sets a container's loopback interface up. What CNI_IFNAME says does not matter: it is always `lo`. */
export const loopback: CniPlugin = {
  name: 'loopback',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  async gc() {},
  async status() {},
}

/** @throws {CniError} code 7: `lo` has an address that is none of loopback, which is named. */
async function add(request: AttachmentRequest): Promise<CniResult> {
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const link = await requireLoopback(container)
  // The kernel gives 127.0.0.1 and ::1 when the link comes up.
  await changeLink(container, link.index, { isUp: true })
  const addresses = (await listAddresses(container, link.index)).map(({ prefix }) => prefix)
  const foreign = addresses.find(({ address }) => !isLoopback(address))
  if (foreign !== undefined) {
    const text = formatPrefix(foreign)
    throw new CniError(cniCodes.invalidConfig, `lo has ${text}, which is no loopback address`)
  }
  if (request.config.prevResult !== undefined) return request.config.prevResult
  return {
    interfaces: [{ name: link.name, mac: link.mac, sandbox: request.netns }],
    ips: addresses.map(address => ({ address, interface: 0 })),
    routes: [],
    dns: {},
  }
}

/** @throws {CniError} code 999: `lo` is down. */
async function check(request: AttachmentRequest): Promise<void> {
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const link = await requireLoopback(container)
  if (!link.isUp) throw new CniError(cniCodes.internal, 'lo is down')
}

async function del(request: AttachmentRequest): Promise<void> {
  // Never the node's own lo, also where the container was allowed to be the host.
  using namespace = findContainer({ ...request, netnsOverride: false })
  if (namespace === undefined) return
  using container = NetlinkSocket.open(namespace)
  const link = await findLink(container, 'lo')
  if (link !== undefined) await changeLink(container, link.index, { isUp: false })
}

async function requireLoopback(container: NetlinkSocket): Promise<Link> {
  const link = await findLink(container, 'lo')
  if (link === undefined) throw new CniError(cniCodes.internal, 'the container has no lo')
  return link
}
