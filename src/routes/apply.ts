import { type LinkAddress, listAddresses } from '#linux/netlink/address.ts'
import { type Link, listLinks, removeLink } from '#linux/netlink/link.ts'
import { listRoutes, type Route, removeRoute, replaceRoute } from '#linux/netlink/route.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { ensureSysctl, interfaceSysctl, readSysctl, writeSysctl } from '#linux/sysctl.ts'
import type { IpFamily } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { Attempts, type Failure } from './attempts.ts'
import type { Masquerader } from './masquerade/backend.ts'
import { offerMtu } from './mtu-file.ts'
import { type Plan, tunnelName } from './plan.ts'
import { diffRoutes, isOurs, kernelRoutes } from './route-diff.ts'
import { ensureTunnel, removeEntries, type StaleEntries, setPeers } from './tunnel-device.ts'

/** What the routes work with in the kernel. */
export type RoutesKernel = {
  readonly socket: NetlinkSocket
  readonly masquerader: Masquerader
  readonly mtuFile: string
}

/** What came of applying a plan. */
export type Applied = {
  /** Changes of the kernel that were made: 0 when all was as planned. */
  readonly writes: number
  readonly failures: readonly Failure[]
  /** Index of each tunnel's device. */
  readonly tunnels: ReadonlySet<number>
}

/** The machine's links and addresses. */
export type Network = {
  readonly links: readonly Link[]
  readonly addresses: readonly LinkAddress[]
}

/** @throws {NetlinkError} */
export async function listNetwork(socket: NetlinkSocket): Promise<Network> {
  return { links: await listLinks(socket), addresses: await listAddresses(socket, 0) }
}

/**
 * Makes what is ours in the kernel like the plan, and writes only what differs. The order spares connections: first what
 * keeps sources unchanged, then the tunnels, then the routes, each replaced in one step, and last goes what nothing uses
 * any more. What fails does not stop the rest.
 * @param families those that the plan speaks of; the others are left as they are.
 */
export async function applyPlan(
  kernel: RoutesKernel,
  { plan, families }: { plan: Plan; families: readonly IpFamily[] },
  signal: AbortSignal,
): Promise<Applied> {
  const attempts = new Attempts()
  await forwardPackets(plan, attempts)
  for (const family of families) {
    await attempts.step(`masquerade of IPv${family}`, () =>
      applyMasquerade(kernel, { plan, family, attempts }, signal),
    )
  }
  const { tunnels, stale } = await applyTunnels(kernel.socket, plan, attempts)
  const links = await listLinks(kernel.socket)
  for (const family of families) {
    await attempts.step(`routes of IPv${family}`, () =>
      applyRoutes(kernel.socket, { plan, family, links }, attempts),
    )
  }
  await removeEntries(kernel.socket, stale, attempts)
  await removeUnusedTunnels(kernel.socket, { plan, families, links }, attempts)
  await attempts.step('offer the MTU', () => offerMtu(kernel.mtuFile, plan.mtu))
  return { writes: attempts.writes, failures: attempts.failures, tunnels }
}

/** The settings by which a machine forwards packets. */
export const FORWARDING: Readonly<Record<IpFamily, string>> = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
}

/** A router in the families that have pods; not strict about the ways back where answers come through a tunnel. */
async function forwardPackets({ uplinks, tunnels }: Plan, attempts: Attempts): Promise<void> {
  for (const { family, link } of uplinks) {
    await attempts.step(`forwarding of IPv${family}`, async () => {
      if (family === 6) keepAdvertisedRoutes(link)
      if (ensureSysctl(FORWARDING[family], '1')) attempts.noteWrite()
    })
    // IPv6 has no such setting.
    if (family === 6 || tunnels.every(tunnel => tunnel.family !== family)) continue
    await attempts.step(`reverse path filter of ${link}`, async () => {
      if (loosenReversePath(link)) attempts.noteWrite()
    })
  }
}

/** A router ignores advertisements, and the node's own default route may have come by one: 2 listens all the same. */
function keepAdvertisedRoutes(link: string): void {
  const accept = interfaceSysctl('ipv6', link, 'accept_ra')
  if (readSysctl(FORWARDING[6]) !== '1' && readSysctl(accept) === '1') writeSysctl(accept, '2')
}

/** The stricter of `all` and the link's own setting holds; 2 is loose and counts more than 1, strict. */
function loosenReversePath(link: string): boolean {
  const own = interfaceSysctl('ipv4', link, 'rp_filter')
  const settings = [readSysctl(interfaceSysctl('ipv4', 'all', 'rp_filter')), readSysctl(own)]
  if (settings.includes('2') || !settings.includes('1')) return false
  writeSysctl(own, '2')
  return true
}

type MasqueradeWork = {
  readonly plan: Plan
  readonly family: IpFamily
  readonly attempts: Attempts
}

async function applyMasquerade(
  { masquerader }: RoutesKernel,
  { plan, family, attempts }: MasqueradeWork,
  signal: AbortSignal,
): Promise<void> {
  const wanted = plan.masquerades.find(each => each.family === family)
  if (wanted === undefined) await masquerader.remove(family, signal)
  else if (await masquerader.ensure(wanted, signal)) attempts.noteWrite()
}

async function applyTunnels(
  socket: NetlinkSocket,
  plan: Plan,
  attempts: Attempts,
): Promise<{ tunnels: ReadonlySet<number>; stale: StaleEntries }> {
  const tunnels = new Set<number>()
  const stale: StaleEntries[number][] = []
  for (const tunnel of plan.tunnels) {
    await attempts.step(`tunnel ${tunnel.name}`, async () => {
      const linkIndex = await ensureTunnel(socket, tunnel, attempts)
      tunnels.add(linkIndex)
      stale.push(...(await setPeers(socket, { tunnel, linkIndex }, attempts)))
    })
  }
  return { tunnels, stale }
}

type RoutesWork = {
  readonly plan: Plan
  readonly family: IpFamily
  readonly links: readonly Link[]
}

async function applyRoutes(
  socket: NetlinkSocket,
  { plan, family, links }: RoutesWork,
  attempts: Attempts,
): Promise<void> {
  const indexes = new Map(links.map(({ name, index }) => [name, index]))
  const planned = plan.routes.filter(({ destination }) => destination.family === family)
  const wanted = kernelRoutes(planned, link => indexes.get(link))
  const { set, remove, taken } = diffRoutes(wanted, await listRoutes(socket, family))
  for (const route of set) await attempts.write(nameOf(route), () => replaceRoute(socket, route))
  for (const route of remove) {
    await attempts.write(`remove ${nameOf(route)}`, () => removeRoute(socket, route))
  }
  for (const route of taken) {
    const reason = 'somebody else has a route with this destination and metric'
    attempts.failures.push({ what: nameOf(route), reason })
  }
}

const nameOf = ({ destination }: Route): string => `route to ${formatPrefix(destination)}`

async function removeUnusedTunnels(
  socket: NetlinkSocket,
  { plan, families, links }: { plan: Plan; families: readonly IpFamily[]; links: readonly Link[] },
  attempts: Attempts,
): Promise<void> {
  const unused = families
    .map(tunnelName)
    .filter(name => plan.tunnels.every(tunnel => tunnel.name !== name))
  for (const { index, name, kind } of links) {
    if (kind !== 'vxlan' || !unused.includes(name)) continue
    await attempts.write(`remove ${name}`, () => removeLink(socket, index))
  }
}

/**
 * Removes every route and tunnel of ours, whoever made them and when.
 * @throws {NetlinkError}
 */
export async function removeRoutes(
  socket: NetlinkSocket,
  families: readonly IpFamily[],
): Promise<void> {
  for (const family of families) {
    const ours = (await listRoutes(socket, family)).filter(isOurs)
    for (const route of ours) await removeRoute(socket, route)
  }
  const names = families.map(tunnelName)
  for (const { index, name, kind } of await listLinks(socket)) {
    if (kind === 'vxlan' && names.includes(name)) await removeLink(socket, index)
  }
}
