import type { Node } from '#cluster/objects.ts'
import { familyOf, type IpAddress, type IpFamily, parseIpUnmapped } from '#net/ip.ts'

const unspecified: readonly string[] = ['0.0.0.0', '::']
const loopback: Readonly<Record<IpFamily, IpAddress>> = {
  4: '127.0.0.1' as IpAddress,
  6: '::1' as IpAddress,
}

/**
 * The node's addresses, one of each family, the primary first (kube-proxy, cmd/kube-proxy/app/server.go, detectNodeIPs):
 * a bind address that is specified, then the Node's InternalIPs, then its ExternalIPs, then the loopback addresses.
 */
export function nodeIPs(
  node: Node | undefined,
  bindAddress: IpAddress,
): readonly [primary: IpAddress, secondary: IpAddress] {
  const candidates = [
    ...(unspecified.includes(bindAddress) ? [] : [bindAddress]),
    ...addressesOf(node),
  ]
  const primary = candidates[0] ?? loopback[familyOf(bindAddress)]
  const other = familyOf(primary) === 4 ? 6 : 4
  return [primary, candidates.find(ip => familyOf(ip) === other) ?? loopback[other]]
}

/** InternalIPs, then ExternalIPs, each in the Node's order; what cannot be read is passed over. */
export function addressesOf(node: Node | undefined): readonly IpAddress[] {
  return ['InternalIP', 'ExternalIP'].flatMap(wanted =>
    (node?.addresses ?? []).flatMap(({ type, address }) => {
      const ip = type === wanted ? parseIpUnmapped(address) : undefined
      return ip === undefined ? [] : [ip]
    }),
  )
}
