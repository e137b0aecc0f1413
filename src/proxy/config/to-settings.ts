import type { Node } from '#cluster/objects.ts'
import { type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import { type IpPrefix, parsePrefixLenient } from '#net/prefix.ts'
import { parseDuration } from '#runtime/duration.ts'
import { proxyModes } from '../backends.ts'
import { zoneOf } from '../place.ts'
import {
  type IpvsSettings,
  type ProxyMode,
  type ProxySettings,
  primaryNodePortAddresses,
} from '../settings.ts'
import { EXTERNAL_IPS_GATE, effectiveGates } from './feature-gates.ts'
import { effectiveMode } from './mode.ts'
import { nodeIPs } from './node-ips.ts'
import type { ProxyConfig } from './schema.ts'

/** What the configuration alone does not say. */
export type NodeFacts = {
  /** See {@link nodeNameFrom}. */
  readonly nodeName: string
  /** The Node object of that name, when the cluster has one. */
  readonly node: Node | undefined
  /** Families that the kernel serves; both when not given. */
  readonly families?: readonly IpFamily[]
  /** Modes that there are backends for; those of this build when not given. */
  readonly modes?: readonly ProxyMode[]
}

/** The settings that an effective configuration means on a node. Pure. */
export function settingsFrom(
  config: ProxyConfig,
  { nodeName, node, families = ipFamilies, modes = proxyModes }: NodeFacts,
): ProxySettings {
  const ips = nodeIPs(node, config.bindAddress)
  return {
    nodeName,
    families,
    mode: effectiveMode(config, modes),
    ...detectorOf(config, node),
    masqueradeAll: (config.mode === 'nftables' ? config.nftables : config.iptables).masqueradeAll,
    nodePortAddresses: nodePortAddresses(config, ips),
    nodeIPs: ips,
    zone: zoneOf(node),
    ignoresExternalIPs: effectiveGates(config.featureGates)[EXTERNAL_IPS_GATE]?.isOn === false,
    localhostNodePorts: config.iptables.localhostNodePorts,
    tcpBeLiberal: config.conntrack.tcpBeLiberal,
    masqueradeBit: config.iptables.masqueradeBit,
    syncPeriodMs: syncPeriodMs(config),
    ipvs: ipvsSettings(config.ipvs),
  }
}

/** `syncPeriod` of the mode that was asked for; none is iptables. */
export function syncPeriodMs({ mode, iptables, ipvs, nftables }: ProxyConfig): number {
  const { syncPeriod } = mode === 'ipvs' ? ipvs : mode === 'nftables' ? nftables : iptables
  return milliseconds(syncPeriod)
}

function detectorOf(
  { detectLocalMode, detectLocal, clusterCIDR }: ProxyConfig,
  node: Node | undefined,
): Pick<ProxySettings, 'clusterCIDRs' | 'podInterface'> {
  switch (detectLocalMode) {
    case 'NodeCIDR':
      return { clusterCIDRs: prefixes(node?.podCIDRs ?? []) }
    case 'BridgeInterface':
      return {
        clusterCIDRs: [],
        podInterface: { name: detectLocal.bridgeInterface, isPrefix: false },
      }
    case 'InterfaceNamePrefix':
      return {
        clusterCIDRs: [],
        podInterface: { name: detectLocal.interfaceNamePrefix, isPrefix: true },
      }
    default:
      return { clusterCIDRs: prefixes(clusterCIDR.split(',')) }
  }
}

const ipvsSettings = (ipvs: ProxyConfig['ipvs']): IpvsSettings => ({
  scheduler: ipvs.scheduler,
  excludeCIDRs: prefixes(ipvs.excludeCIDRs),
  strictARP: ipvs.strictARP,
  tcpTimeoutSeconds: wholeSeconds(ipvs.tcpTimeout),
  tcpFinTimeoutSeconds: wholeSeconds(ipvs.tcpFinTimeout),
  udpTimeoutSeconds: wholeSeconds(ipvs.udpTimeout),
})

const milliseconds = (duration: string): number => parseDuration(duration) ?? 0
const wholeSeconds = (duration: string): number => Math.trunc(milliseconds(duration) / 1000)

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
