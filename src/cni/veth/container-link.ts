import type { NetworkNamespace } from '#linux/namespace.ts'
import { ensureAddress, listAddresses } from '#linux/netlink/address.ts'
import { NetlinkError } from '#linux/netlink/error.ts'
import { changeLink, type Link } from '#linux/netlink/link.ts'
import { addRoute, listRoutes, type Route } from '#linux/netlink/route.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { ensureSysctl, interfaceSysctl } from '#linux/sysctl.ts'
import { formatPrefix } from '#net/prefix.ts'
import type { Clock } from '#runtime/clock.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { Sides } from './pair.ts'
import { type AddressPlan, type ContainerRoute, planPointToPoint, planRoutes } from './plan.ts'

/** IPv6 addresses must be usable after this; duplicate detection takes one to two seconds. */
const DAD_LIMIT_MS = 5000
const DAD_POLL_MS = 20

/** What the container gets. */
export type ContainerPlan = Pick<AddressPlan, 'ips' | 'routes' | 'families'> & {
  /** Everything goes to the gateway, also what is for the own subnet. */
  readonly isPointToPoint?: boolean
}

/**
 * Addresses, link up, routes: in this order, so that the kernel announces the addresses when the link comes up.
 * @throws {CniError} code 7: a route is impossible; code 999: an address is a duplicate.
 */
export async function configureContainer(
  { container, namespace }: Sides,
  link: Link,
  plan: ContainerPlan,
  { enabledad, clock }: { enabledad: boolean; clock: Clock },
): Promise<void> {
  const usesIpv6 = plan.families.includes(6)
  setContainerSysctls(namespace, link.name, { usesIpv6, enabledad })
  for (const { address } of plan.ips) {
    await ensureAddress(container, {
      linkIndex: link.index,
      prefix: address,
      duplicateDetection: enabledad,
      isWithoutRoute: plan.isPointToPoint === true,
    })
  }
  await changeLink(container, link.index, { isUp: true })
  if (usesIpv6 && enabledad) await waitForAddresses(container, link, clock)
  const subnets = plan.isPointToPoint === true ? planPointToPoint(plan.ips) : []
  for (const route of [...subnets, ...planRoutes(plan)])
    await ensureRoute(container, link.index, route)
}

/** The sysctls of the interface, before its first address. */
export function setContainerSysctls(
  namespace: NetworkNamespace,
  link: string,
  { usesIpv6, enabledad }: { usesIpv6: boolean; enabledad: boolean },
): void {
  namespace.run(() => {
    // A gratuitous ARP and an unsolicited advertisement at link up: neighbours that know the address under the MAC of a
    // former container switch at once.
    tryIt(() => ensureSysctl(interfaceSysctl('ipv4', link, 'arp_notify'), '1'))
    tryIt(() => ensureSysctl(interfaceSysctl('ipv6', link, 'ndisc_notify'), '1'))
    tryIt(() => ensureSysctl(interfaceSysctl('ipv6', link, 'accept_dad'), enabledad ? '1' : '0'))
    if (enabledad) tryIt(() => ensureSysctl(interfaceSysctl('ipv6', link, 'enhanced_dad'), '1'))
    if (!usesIpv6) return
    // Containers are often started with IPv6 off.
    for (const each of ['lo', link]) {
      ensureSysctl(interfaceSysctl('ipv6', each, 'disable_ipv6'), '0')
    }
    ensureSysctl(interfaceSysctl('ipv6', link, 'keep_addr_on_down'), '1')
  })
}

/** What only makes things better may fail: IPv6 may be compiled out, /proc/sys read-only. */
function tryIt(change: () => unknown): void {
  try {
    change()
  } catch {}
}

/** @throws {CniError} code 999: an address is a duplicate, or still not usable after 5 s. */
async function waitForAddresses(container: NetlinkSocket, link: Link, clock: Clock): Promise<void> {
  const end = clock.monotonic() + DAD_LIMIT_MS
  for (;;) {
    const addresses = await listAddresses(container, link.index)
    const duplicate = addresses.find(({ isDuplicate }) => isDuplicate)
    if (duplicate !== undefined) {
      const text = formatPrefix(duplicate.prefix)
      throw new CniError(cniCodes.internal, `${link.name}: ${text} is in use by another machine`)
    }
    const tentative = addresses.find(({ isGlobal, isTentative }) => isGlobal && isTentative)
    if (tentative === undefined) return
    if (clock.monotonic() >= end) {
      const text = formatPrefix(tentative.prefix)
      throw new CniError(cniCodes.internal, `${link.name}: ${text} is still tentative after 5 s`)
    }
    await clock.sleep(DAD_POLL_MS)
  }
}

async function ensureRoute(
  container: NetlinkSocket,
  linkIndex: number,
  { dst, ...rest }: ContainerRoute,
): Promise<void> {
  const route: Route = { ...rest, destination: dst, linkIndex }
  try {
    if (await addRoute(container, route)) return
  } catch (cause) {
    if (!(cause instanceof NetlinkError)) throw cause
    throw new CniError(cniCodes.invalidConfig, 'routes', { cause })
  }
  const present = await listRoutes(container, dst.family)
  if (present.some(each => isSameRoute(each, route))) return
  throw new CniError(
    cniCodes.invalidConfig,
    `routes: ${formatPrefix(dst)} has another route already`,
  )
}

const isSameRoute = (a: Route, b: Route): boolean =>
  formatPrefix(a.destination) === formatPrefix(b.destination) &&
  a.linkIndex === b.linkIndex &&
  [...a.gateways].sort().join() === [...b.gateways].sort().join()
