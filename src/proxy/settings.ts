import type { IpAddress, IpFamily } from '#net/ip.ts'
import { familyOf, isLoopback } from '#net/ip.ts'
import { hostPrefix, type IpPrefix } from '#net/prefix.ts'

/** What the service proxy is told, whatever the form it was told in (flags, a file, the agent). Plain values. */
export type ProxySettings = {
  /** The name of this node, lower case: endpoints on it are local. */
  readonly nodeName: string
  /** Families to program; each has rules of its own and fails on its own. */
  readonly families: readonly IpFamily[]
  /**
   * Where pods live (the detector ClusterCIDR): the first prefix of a family counts. A family without one has no
   * detector, so no traffic counts as pod traffic and traffic to cluster IPs keeps its source.
   */
  readonly clusterCIDRs: readonly IpPrefix[]
  /** Replace the source of all traffic to cluster IPs. */
  readonly masqueradeAll: boolean
  /**
   * Local addresses that answer on node ports: those inside these prefixes. A family without a prefix answers on all
   * its addresses. Never on loopback.
   */
  readonly nodePortAddresses: readonly IpPrefix[]
  /** The node's own addresses, the first of each family: a load balancer's source ranges may name this node by them. */
  readonly nodeIPs?: readonly IpAddress[] | undefined
  /** The node's zone (`topology.kubernetes.io/zone`), for topology hints. */
  readonly zone?: string | undefined
  /** Name of the table in both families; `nodeplane` when not given. */
  readonly tableName?: string | undefined
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
