import { listAddresses } from '#linux/netlink/address.ts'
import { findLink } from '#linux/netlink/link.ts'
import { addRoute, listRoutes, removeRoute } from '#linux/netlink/route.ts'
import { addRule, listRules, removeRule } from '#linux/netlink/rule.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { addressesOf, requireInterface, requirePrevResult } from '../chained.ts'
import { findContainer, openContainer } from '../container.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniContext, CniPlugin } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { type Undo, undoOn } from '../undo.ts'
import { sbrConfigFrom } from './config.ts'
import {
  planRouting,
  type Routing,
  type RoutingPlan,
  routingDifferences,
  routingOf,
} from './tables.ts'

/**
 * Routes by source: what a container sends from an address of this interface leaves by it, whatever other interfaces it has.
 * All of it is in the container, so nothing is left when that is gone.
 */
export const sbr: CniPlugin = {
  name: 'sbr',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  async gc() {},
  status: async ({ config }) => {
    sbrConfigFrom(config)
  },
}

async function add(request: AttachmentRequest, context: CniContext): Promise<CniResult> {
  const { table } = sbrConfigFrom(request.config)
  const result = requirePrevResult(request)
  const ips = addressesOf(result, request.ifname)
  if (ips.length === 0) {
    throw new CniError(cniCodes.invalidConfig, `prevResult has no address of ${request.ifname}`)
  }
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const link = await requireInterface(container, request.ifname)
  const plan = planRouting({ link, ips, table }, await readRouting(container))
  await using undone = new AsyncDisposableStack()
  const undo = undoOn(undone, context)
  await apply(container, plan, undo)
  undone.move()
  return result
}

async function apply(container: NetlinkSocket, plan: RoutingPlan, undo: Undo): Promise<void> {
  for (const route of plan.routes) {
    if (await addRoute(container, route))
      undo('remove a route', () => removeRoute(container, route))
  }
  for (const rule of plan.rules) {
    if (await addRule(container, rule)) undo('remove a rule', () => removeRule(container, rule))
  }
  // Those by a gateway first: they need the others.
  for (const route of plan.obsolete.toSorted((a, b) => b.gateways.length - a.gateways.length)) {
    if (await removeRoute(container, route))
      undo('put a route back', () => addRoute(container, route))
  }
}

/** @throws {CniError} code 100: an address has no rule, or its table no default route. */
async function check(request: AttachmentRequest): Promise<void> {
  sbrConfigFrom(request.config)
  const ips = addressesOf(requirePrevResult(request), request.ifname)
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const found = routingDifferences(ips, await readRouting(container))
  if (found.length > 0) throw new CniError(cniCodes.checkFailed, found.join('; '))
}

/** Rules and tables of the addresses that the interface has now; without it the kernel has removed the routes itself. */
async function del(request: AttachmentRequest): Promise<void> {
  using namespace = findContainer(request)
  if (namespace === undefined) return
  using container = NetlinkSocket.open(namespace)
  const link = await findLink(container, request.ifname)
  const { prevResult } = request.config
  const addresses = [
    ...(link === undefined ? [] : await listAddresses(container, link.index)).map(
      ({ prefix }) => prefix,
    ),
    ...(prevResult === undefined ? [] : addressesOf(prevResult, request.ifname)).map(
      ({ address }) => address,
    ),
  ]
  const { rules, routes } = routingOf(
    addresses,
    { index: link?.index ?? -1 },
    await readRouting(container),
  )
  for (const rule of rules) await removeRule(container, rule)
  for (const route of routes) await removeRoute(container, route)
}

async function readRouting(container: NetlinkSocket): Promise<Routing> {
  return {
    routes: [...(await listRoutes(container, 4)), ...(await listRoutes(container, 6))],
    rules: [...(await listRules(container, 4)), ...(await listRules(container, 6))],
  }
}
