import { listLinks } from '#linux/netlink/link.ts'
import { listRoutes } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { ensureSysctl, interfaceSysctl } from '#linux/sysctl.ts'
import { prefixContains } from '#net/prefix.ts'
import type { FamilyPlan } from './plan.ts'

/**
 * Lets 127.0.0.1 of the host be answered by the container: the link towards it may carry packets from loopback
 * (`route_localnet`). It stays, since other containers are behind the same link.
 * @returns the link; undefined where there is no need, or no route to the container.
 */
export async function openLoopback(plans: readonly FamilyPlan[]): Promise<string | undefined> {
  const plan = plans.find(({ family, hidden }) => family === 4 && hidden.length > 0)
  const target = plan?.mappings[0]?.target
  if (target === undefined) return undefined
  using host = NetlinkSocket.open()
  const routes = (await listRoutes(host, 4))
    .filter(({ destination }) => prefixContains(destination, target))
    .toSorted((a, b) => b.destination.length - a.destination.length)
  const [route] = routes
  if (route === undefined || route.destination.length === 0) return undefined
  const link = (await listLinks(host)).find(({ index }) => index === route.linkIndex)
  if (link === undefined) return undefined
  ensureSysctl(interfaceSysctl('ipv4', link.name, 'route_localnet'), '1')
  return link.name
}
