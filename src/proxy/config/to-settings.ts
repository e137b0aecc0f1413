import type { Node } from '#cluster/objects.ts'
import { type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import { type IpPrefix, parsePrefixLenient } from '#net/prefix.ts'
import { type ProxySettings, primaryNodePortAddresses } from '../settings.ts'
import { nodeIPs } from './node-ips.ts'
import type { ProxyConfig } from './schema.ts'

/** What the configuration alone does not say. */
export type NodeFacts = {
  /** See {@link nodeNameFrom}. */
  readonly nodeName: string
  /** The Node object of that name, when the cluster has one. */
  readonly node: Node | undefined
  /** The addresses in use on the machine, for a cluster without that object. */
  readonly machineIPs: readonly IpAddress[]
  /** Families that the kernel serves; both when not given. */
  readonly families?: readonly IpFamily[]
}

const ZONE_LABEL = 'topology.kubernetes.io/zone'

/** The settings that an effective configuration means on a node. Pure. */
export function settingsFrom(
  config: ProxyConfig,
  { nodeName, node, machineIPs, families = ipFamilies }: NodeFacts,
): ProxySettings {
  const ips = nodeIPs(node, config.bindAddress, machineIPs)
  const zone = node?.metadata.labels[ZONE_LABEL]
  return {
    nodeName,
    families,
    clusterCIDRs:
      config.detectLocalMode === 'ClusterCIDR' ? prefixes(config.clusterCIDR.split(',')) : [],
    masqueradeAll: (config.mode === 'nftables' ? config.nftables : config.iptables).masqueradeAll,
    nodePortAddresses: nodePortAddresses(config, ips),
    nodeIPs: ips,
    // An empty label is no zone.
    zone: zone === '' ? undefined : zone,
  }
}

/**
 * The name of the Node object: the configured one, else the host's.
 * @returns '' when both are blank, which no node is called.
 */
export const nodeNameFrom = ({ hostnameOverride }: ProxyConfig, hostname: string): string =>
  hostnameOverride || hostname.trim().toLowerCase()

/** Without a list kube-proxy answers on the primary addresses in mode nftables, on all addresses in the other modes. */
function nodePortAddresses(
  { mode, nodePortAddresses: list }: ProxyConfig,
  ips: readonly IpAddress[],
): readonly IpPrefix[] {
  const isPrimary = list.length === 0 ? mode === 'nftables' : list[0] === 'primary'
  return isPrimary ? primaryNodePortAddresses(ips) : prefixes(list)
}

const prefixes = (cidrs: readonly string[]): readonly IpPrefix[] =>
  cidrs.flatMap(cidr => parsePrefixLenient(cidr.trim()) ?? [])
