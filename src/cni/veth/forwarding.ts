import { findLink } from '#linux/netlink/link.ts'
import { listRoutes } from '#linux/netlink/route.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { ensureSysctl, interfaceSysctl, readSysctl, writeSysctl } from '#linux/sysctl.ts'
import type { IpFamily } from '#net/ip.ts'

const FORWARDING: Readonly<Record<IpFamily, string>> = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
}
/** RTPROT_RA: the route came by router advertisement. */
const RTPROT_RA = 9

/** Lets the node route for its containers. Not written when it does. @throws {SysctlError} */
export async function enableForwarding(
  host: NetlinkSocket,
  families: readonly IpFamily[],
  warn: (message: string) => void,
): Promise<void> {
  for (const family of families) {
    if (readSysctl(FORWARDING[family]) === '1') continue
    if (family === 6) await warnOfLostRoutes(host, warn)
    writeSysctl(FORWARDING[family], '1')
  }
}

/** A router ignores advertisements: routes that the node learned by them run out (accept_ra = 2 would keep them). */
async function warnOfLostRoutes(
  host: NetlinkSocket,
  warn: (message: string) => void,
): Promise<void> {
  const learned = (await listRoutes(host, 6)).filter(({ protocol }) => protocol === RTPROT_RA)
  for (const linkIndex of new Set(learned.map(route => route.linkIndex))) {
    const link = await findLink(host, linkIndex)
    if (link === undefined) continue
    if (readSysctl(interfaceSysctl('ipv6', link.name, 'accept_ra')) === '2') continue
    warn(
      `IPv6 forwarding is switched on: ${link.name} will lose its routes from router advertisements`,
    )
  }
}

/** A router advertisement that a container sends must not become the node's default route. */
export function ignoreRouterAdvertisements(link: string): void {
  try {
    ensureSysctl(interfaceSysctl('ipv6', link, 'accept_ra'), '0')
  } catch {
    // A kernel without IPv6 has none to accept.
  }
}
