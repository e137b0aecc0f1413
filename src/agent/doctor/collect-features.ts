import { installedIptables } from '#linux/iptables.ts'
import { hasLinkKind, whyNoNftables } from '#linux/kernel-features.ts'
import { NetlinkError } from '#linux/netlink/error.ts'
import { genericFamily, NETLINK_GENERIC } from '#linux/netlink/generic.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { usableFamilies } from '#proxy/config/families.ts'
import { renderFullTrial } from '#proxy/nftables/trial.ts'
import type { Feature, Wanted } from './facts.ts'

/** Asks the kernel for what the configuration needs of it. */
export async function collectFeatures(
  wanted: Wanted,
  socket: NetlinkSocket,
  signal: AbortSignal,
): Promise<readonly Feature[]> {
  const { cni, routes, proxyMode } = wanted
  const linkKinds = [
    ...(cni ? (['veth', 'bridge'] as const).map(kind => [kind, 'the pod network'] as const) : []),
    ...(routes === 'vxlan' ? [['vxlan', 'routes.mode vxlan'] as const] : []),
  ]
  const links = linkKinds.map(async ([kind, neededBy]) => ({
    name: kind,
    neededBy,
    whyNot: (await hasLinkKind(socket, kind)) ? undefined : 'the kernel does not know such links',
  }))
  return Promise.all([
    ...links,
    ...(proxyMode === undefined ? [] : [proxyFeature(proxyMode, signal)]),
  ])
}

async function proxyFeature(
  mode: NonNullable<Wanted['proxyMode']>,
  signal: AbortSignal,
): Promise<Feature> {
  const neededBy = `proxy mode ${mode}`
  if (mode === 'nftables') {
    const rules = usableFamilies().map(renderFullTrial).join('')
    return { name: 'nftables', neededBy, whyNot: await whyNoNftables(rules, signal) }
  }
  if (mode === 'ipvs') return { name: 'IPVS', neededBy, whyNot: await whyNoIpvs() }
  const isThere = (await installedIptables(4)).length > 0
  return { name: 'iptables', neededBy, whyNot: isThere ? undefined : 'it is not installed' }
}

async function whyNoIpvs(): Promise<string | undefined> {
  using socket = NetlinkSocket.open(undefined, NETLINK_GENERIC)
  try {
    await genericFamily(socket, 'IPVS')
    return undefined
  } catch (error) {
    if (error instanceof NetlinkError) return error.sentence || error.message
    throw error
  }
}
