import type { IpAddress, IpFamily } from '#net/ip.ts'
import { familyOf, isLoopback } from '#net/ip.ts'
import { hostPrefix, type IpPrefix } from '#net/prefix.ts'

/** What the service proxy is told, whatever the form it was told in (flags, a file, the agent). Plain values. */
export type ProxySettings = {
  /** The name of this node, lower case: endpoints on it are local. */
  readonly nodeName: string
  /** Families to program; each has rules of its own and fails on its own. */
  readonly families: readonly IpFamily[]
  /** nftables when not given. */
  readonly mode?: ProxyMode | undefined
  /** Where pods live (the detectors ClusterCIDR and NodeCIDR): the first prefix of a family counts. */
  readonly clusterCIDRs: readonly IpPrefix[]
  /** Where pod traffic comes in (the detectors BridgeInterface and InterfaceNamePrefix), instead of the prefixes. */
  readonly podInterface?: { readonly name: string; readonly isPrefix: boolean } | undefined
  /** Replace the source of all traffic to cluster IPs. */
  readonly masqueradeAll: boolean
  /**
   * Local addresses that answer on node ports: those inside these prefixes. A family without a prefix answers on all
   * its addresses. On loopback only with {@link localhostNodePorts}.
   */
  readonly nodePortAddresses: readonly IpPrefix[]
  /** The node's own addresses, the first of each family: a load balancer's source ranges may name this node by them. */
  readonly nodeIPs?: readonly IpAddress[] | undefined
  /** The node's zone (`topology.kubernetes.io/zone`), for topology hints. */
  readonly zone?: string | undefined
  /** How long a run of `nft` or of iptables may take before it is killed, milliseconds; two minutes when not given. */
  readonly programTimeoutMs?: number | undefined
  /** Serve nobody on externalIPs (the gate AllowServiceExternalIPs is off). */
  readonly ignoresExternalIPs?: boolean | undefined
  /** Name of the nftables table in both families; `nodeplane` when not given. */
  readonly tableName?: string | undefined
  /** Are node ports to answer on loopback addresses too, where {@link nodePortAddresses} has them? No when not given. */
  readonly localhostNodePorts?: boolean | undefined
  /** Conntrack is to take all segments of a TCP connection for valid, if it does not already; no when not given. */
  readonly tcpBeLiberal?: boolean | undefined
  /** The bit of the packet mark that means "masquerade" (0 to 31), in the modes that need one; 14 when not given. */
  readonly masqueradeBit?: number | undefined
  /** How often what others may have removed is looked for where no event tells, milliseconds; 30 s when not given. */
  readonly syncPeriodMs?: number | undefined
  readonly ipvs?: IpvsSettings | undefined
}

export type ProxyMode = 'iptables' | 'ipvs' | 'nftables'

export type IpvsSettings = {
  /** `rr` when not given. */
  readonly scheduler?: string | undefined
  /** Virtual servers in these that no Service wants are left alone, whoever made them. */
  readonly excludeCIDRs?: readonly IpPrefix[] | undefined
  readonly strictARP?: boolean | undefined
  /** Seconds; 0 or absent keeps the kernel's. */
  readonly tcpTimeoutSeconds?: number | undefined
  readonly tcpFinTimeoutSeconds?: number | undefined
  readonly udpTimeoutSeconds?: number | undefined
}

export const DEFAULT_TABLE_NAME = 'nodeplane'

/**
 * The prefixes that `nodePortAddresses: primary` means: the node's own addresses, the first of each family, loopback
 * left out (kube-proxy in nftables mode, its default).
 */
export function primaryNodePortAddresses(nodeIPs: readonly IpAddress[]): readonly IpPrefix[] {
  const first = new Map<IpFamily, IpAddress>()
  for (const ip of nodeIPs) {
    if (!first.has(familyOf(ip))) first.set(familyOf(ip), ip)
  }
  return [...first.values()].filter(ip => !isLoopback(ip)).map(hostPrefix)
}
