import type { IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'

/**
 * How packets get to another node: by its address as next hop (`hostGW`), which needs a shared link, in a tunnel
 * (`vxlan`), or by the first where it can be had and else by the second (`auto`).
 */
export type RouteMode = 'auto' | 'hostGW' | 'vxlan'

/** Who masquerades what pods send outside the cluster; `false`: nobody here. */
export type MasqueradeBackend = 'nftables' | 'iptables' | false

/** What the routes are told. Plain values. */
export type RoutesSettings = {
  /** The name of this node, lower case. */
  readonly nodeName: string
  readonly families: readonly IpFamily[]
  readonly mode: RouteMode
  /** Where pods live: ranges outside of these are refused, and nothing is masqueraded on its way to them. May be empty. */
  readonly clusterCIDRs: readonly IpPrefix[]
  /** Further destinations that see the pods' own addresses. */
  readonly noMasqueradeCIDRs: readonly IpPrefix[]
  readonly masquerade: MasqueradeBackend
  /** Of the pods' links; undefined: from the uplink. */
  readonly mtu: number | undefined
  /** VXLAN network identifier and UDP port; the same on all nodes. */
  readonly vxlan: { readonly vni: number; readonly port: number }
  /** Where the pods' MTU is offered to the bridge plugin. */
  readonly mtuFile: string
}
