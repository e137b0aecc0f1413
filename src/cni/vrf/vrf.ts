import { ensureAddress, listAddresses } from '#linux/netlink/address.ts'
import { isExists } from '#linux/netlink/error.ts'
import { changeLink, findLink, type Link, listLinks, removeLink } from '#linux/netlink/link.ts'
import { addRoute, listRoutes } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { createVrf, findVrf, listVrfs, type VrfLink } from '#linux/netlink/vrf.ts'
import { describeError } from '#runtime/error.ts'
import { requireInterface, requirePrevResult } from '../chained.ts'
import { findContainer, openContainer } from '../container.ts'
import { stringField } from '../spec/config-object.ts'
import { isInterfaceName } from '../spec/environment.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniContext, CniPlugin } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { type VrfConfig, vrfConfigFrom } from './config.ts'
import { freeTable, lostAddresses, movedRoutes } from './moves.ts'

/**
 * Puts a container's interface into a VRF, which has routes of its own. All of it is in the container, so nothing is left when
 * that is gone.
 */
export const vrf: CniPlugin = {
  name: 'vrf',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  async gc() {},
  status: async ({ config }) => {
    vrfConfigFrom(config)
  },
}

async function add(request: AttachmentRequest, { warn }: CniContext): Promise<CniResult> {
  const config = vrfConfigFrom(request.config)
  const result = requirePrevResult(request)
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const link = await requireInterface(container, request.ifname)
  if (link.masterIndex !== undefined) {
    const master = await findLink(container, link.masterIndex)
    throw new CniError(
      cniCodes.invalidConfig,
      `${link.name} belongs to ${master?.name ?? 'another link'} already`,
    )
  }
  try {
    await enslave(container, link, await ensureVrf(container, config))
  } catch (error) {
    await release(container, config.vrf, link).catch(failure =>
      warn(`undoing a failed ADD: ${describeError(failure)}`),
    )
    throw error
  }
  return result
}

/** @throws {CniError} code 7: a link of another kind has the name, or the VRF another table. */
async function ensureVrf(
  container: NetlinkSocket,
  { vrf: name, table }: VrfConfig,
): Promise<VrfLink> {
  if ((await findVrf(container, name)) === undefined) {
    const wanted = table ?? freeTable(await tablesIn(container))
    await createVrf(container, { name, table: wanted }).catch((error: unknown) => {
      // Another interface of the container was faster.
      if (!isExists(error)) throw error
    })
  }
  const found = await findVrf(container, name)
  if (found === undefined || found === 'another kind') {
    throw new CniError(cniCodes.invalidConfig, `vrfname: link ${name} is no VRF`)
  }
  if (table !== undefined && found.table !== table) {
    throw new CniError(
      cniCodes.invalidConfig,
      `table: VRF ${name} has table ${found.table}, not ${table}`,
    )
  }
  if (!found.isUp) await changeLink(container, found.index, { isUp: true })
  return found
}

async function tablesIn(container: NetlinkSocket): Promise<readonly number[]> {
  const routes = [...(await listRoutes(container, 4)), ...(await listRoutes(container, 6))]
  const ofVrfs = (await listVrfs(container)).map(({ table }) => table)
  return [...ofVrfs, ...routes.flatMap(({ table }) => table ?? [])]
}

/** The kernel sets the link down and up for it, which loses IPv6 addresses and routes: they are put back, these into the VRF's table. */
async function enslave(container: NetlinkSocket, link: Link, master: VrfLink): Promise<void> {
  const routes = [...(await listRoutes(container, 4)), ...(await listRoutes(container, 6))]
  const before = await listAddresses(container, link.index)
  await changeLink(container, link.index, { masterIndex: master.index })
  const after = await listAddresses(container, link.index)
  for (const { prefix } of lostAddresses(before, after)) {
    await ensureAddress(container, { linkIndex: link.index, prefix })
  }
  for (const route of movedRoutes(routes, link.index, master.table)) {
    await addRoute(container, route)
  }
}

/** @throws {CniError} code 100: the interface is not in the VRF. */
async function check(request: AttachmentRequest): Promise<void> {
  const { vrf: name, table } = vrfConfigFrom(request.config)
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const master = await findVrf(container, name)
  const link = await findLink(container, request.ifname)
  const found = (why: string) => new CniError(cniCodes.checkFailed, why)
  if (master === undefined || master === 'another kind') throw found(`there is no VRF ${name}`)
  if (link?.masterIndex !== master.index) throw found(`${request.ifname} is not in VRF ${name}`)
  if (table !== undefined && master.table !== table) {
    throw found(`VRF ${name} has table ${master.table}, not ${table}`)
  }
}

/** Takes the interface out; the VRF goes with its last one. */
async function del(request: AttachmentRequest): Promise<void> {
  using namespace = findContainer(request)
  if (namespace === undefined) return
  using container = NetlinkSocket.open(namespace)
  const link = await findLink(container, request.ifname)
  // Read leniently: what ADD refused has made nothing, and must not keep DEL.
  const name = stringField(request.config.fields, 'vrfname') ?? ''
  if (isInterfaceName(name)) await release(container, name, link)
}

async function release(
  container: NetlinkSocket,
  name: string,
  link: Link | undefined,
): Promise<void> {
  const master = await findVrf(container, name)
  if (master === undefined || master === 'another kind') return
  const ports = (await listLinks(container)).filter(each => each.masterIndex === master.index)
  const isPort = ports.some(({ index }) => index === link?.index)
  if (link !== undefined && isPort) await changeLink(container, link.index, { masterIndex: 0 })
  if (ports.length === (isPort ? 1 : 0)) await removeLink(container, master.index)
}
