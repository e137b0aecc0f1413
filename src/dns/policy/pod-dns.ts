import type { Pod, PodDnsConfig } from '#cluster/objects.ts'
import { familyOf, type IpAddress } from '#net/ip.ts'
import type { Entry, Origin } from './entry.ts'
import { type Fitted, fitNameservers, fitSearches } from './limits.ts'
import { type NodeResolver, optionName } from './resolv-conf.ts'

/** What the kubelet of the pod's node is told about DNS. */
export type NodeDns = {
  /** Its clusterDNS. */
  readonly clusterDns: readonly IpAddress[]
  /** Its clusterDomain; may be empty. */
  readonly clusterDomain: string
  /** What the file of its resolvConf says; undefined when that setting is the empty string. */
  readonly resolver: NodeResolver | undefined
  /** The node's addresses; only their families matter, and only without a resolver. */
  readonly nodeIPs: readonly IpAddress[]
}

/** What the kubelet tells people by an event, always of type Warning. */
export type DnsWarning = {
  readonly reason: 'MissingClusterDNS' | 'DNSConfigForming'
  /** The objects that get the event. */
  readonly on: readonly ('node' | 'pod')[]
  readonly message: string
}

/** A pod's resolver configuration, each entry with its origin. */
export type PodDns = NodeResolver & {
  /** What the pod's dnsConfig was added to, and why. */
  readonly base: Base
  readonly warnings: readonly DnsWarning[]
}

/** Where a pod's settings start, by its dnsPolicy. */
export type Base = { readonly kind: 'none' | 'cluster' | 'node'; readonly why: string }

/**
 * The resolver configuration that the kubelet hands to the container runtime for a pod (Kubernetes 1.36,
 * pkg/kubelet/network/dns/dns.go, GetPodDNS). Pure. It assumes nothing about the pod: what the API server would refuse
 * is handled as the kubelet handles it; `validatePodDns` says what is wrong.
 */
export function podDns(
  pod: Pick<Pod, 'metadata' | 'dnsPolicy' | 'dnsConfig' | 'hostNetwork'>,
  node: NodeDns,
): PodDns {
  const base = selectBase(pod, node)
  const start = baseResolver(base.kind, pod.metadata.namespace, node)
  const merged = pod.dnsConfig === undefined ? start : addDnsConfig(start, pod.dnsConfig)
  const nameservers = fitNameservers(merged.nameservers)
  const searches = fitSearches(merged.searches)
  return {
    base,
    nameservers: nameservers.kept,
    searches: searches.kept,
    options: merged.options,
    warnings: [
      ...(wantsCluster(pod) && base.kind === 'node' ? [missingClusterDns] : []),
      ...limitWarnings('nameserver', nameservers),
      ...limitWarnings('search', searches),
    ],
  }
}

const missingClusterDns: DnsWarning = {
  reason: 'MissingClusterDNS',
  on: ['node', 'pod'],
  message: "the node has no cluster DNS address; the pod gets the node's settings instead",
}

type PolicyFields = Pick<Pod, 'dnsPolicy' | 'hostNetwork'>

/** An unknown policy counts as cluster DNS; the API server lets none through. */
const wantsCluster = ({ dnsPolicy, hostNetwork }: PolicyFields): boolean =>
  dnsPolicy !== 'None' && dnsPolicy !== 'Default' && !(dnsPolicy === 'ClusterFirst' && hostNetwork)

function selectBase(pod: PolicyFields, { clusterDns }: NodeDns): Base {
  const policy = `dnsPolicy ${pod.dnsPolicy}`
  if (pod.dnsPolicy === 'None') return { kind: 'none', why: `${policy}: only the pod's dnsConfig` }
  if (wantsCluster(pod)) {
    return clusterDns.length > 0
      ? { kind: 'cluster', why: `${policy}: the cluster's DNS` }
      : { kind: 'node', why: `${policy}, but no cluster DNS address: the node's settings` }
  }
  return pod.dnsPolicy === 'Default'
    ? { kind: 'node', why: `${policy}: the node's settings` }
    : { kind: 'node', why: `${policy} on the host network: as Default, the node's settings` }
}

const nothing: NodeResolver = { nameservers: [], searches: [], options: [] }

function baseResolver(kind: Base['kind'], namespace: string, node: NodeDns): NodeResolver {
  switch (kind) {
    case 'none':
      return nothing
    case 'cluster':
      return clusterResolver(namespace, node)
    case 'node':
      return node.resolver ?? resolverWithoutFile(node.nodeIPs)
  }
}

/** The node's options do not reach pods that use cluster DNS, its search suffixes do. */
function clusterResolver(
  namespace: string,
  { clusterDns, clusterDomain, resolver }: NodeDns,
): NodeResolver {
  const nodeSearches = resolver?.searches ?? []
  const suffixes = [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
  return {
    nameservers: entries(clusterDns, { from: 'cluster-dns' }),
    searches:
      clusterDomain === ''
        ? nodeSearches
        : withoutDuplicates([...entries(suffixes, { from: 'cluster-domain' }), ...nodeSearches]),
    options: entries(['ndots:5'], { from: 'cluster-default' }),
  }
}

/** resolv.conf(5): without nameserver lines the local machine is asked. The kubelet says so for each node address. */
function resolverWithoutFile(nodeIPs: readonly IpAddress[]): NodeResolver {
  const loopback = nodeIPs.map(ip => (familyOf(ip) === 6 ? '::1' : '127.0.0.1'))
  const origin: Origin = { from: 'no-node-file' }
  return {
    nameservers: entries(loopback.length > 0 ? loopback : ['127.0.0.1'], origin),
    searches: entries(['.'], origin),
    options: [],
  }
}

/** Even an empty dnsConfig removes duplicates that the base has. */
function addDnsConfig(base: NodeResolver, config: PodDnsConfig): NodeResolver {
  const fromPod = (list: 'nameservers' | 'searches') =>
    config[list].map((value, index): Entry => ({ value, origin: podField(`${list}[${index}]`) }))
  return {
    nameservers: withoutDuplicates([...base.nameservers, ...fromPod('nameservers')]),
    searches: withoutDuplicates([...base.searches, ...fromPod('searches')]),
    options: addOptions(base.options, config),
  }
}

/** By name, the pod's value wins. The kubelet's order is that of a Go map, so undefined; ours is that of first appearance. */
function addOptions(base: readonly Entry[], { options }: PodDnsConfig): readonly Entry[] {
  const byName = new Map<string, Entry>()
  for (const entry of base) {
    // An option without a value loses its colon here, the node's own included.
    const value = entry.value.replace(/^([^:]*):$/, '$1')
    byName.set(optionName(value), { ...entry, value })
  }
  for (const [index, { name, value }] of options.entries()) {
    const text = value === undefined || value === '' ? name : `${name}:${value}`
    byName.set(name, { value: text, origin: podField(`options[${index}]`) })
  }
  return [...byName.values()]
}

/** Entries without those whose exact text came before. */
function withoutDuplicates(list: readonly Entry[]): readonly Entry[] {
  const seen = new Set<string>()
  return list.filter(({ value }) => !seen.has(value) && seen.add(value))
}

/** The kubelet sends one event for the nameservers and one for the searches, whatever the number of cuts. */
function limitWarnings(what: string, { leftOut }: Fitted): readonly DnsWarning[] {
  if (leftOut.length === 0) return []
  const list = leftOut.map(({ entry, limit }) => `${entry.value.slice(0, 256)} (${limit})`)
  const message = `${what} entries left out: ${list.join(', ')}`
  return [{ reason: 'DNSConfigForming', on: ['pod'], message }]
}

const podField = (field: string): Origin => ({ from: 'pod', field: `spec.dnsConfig.${field}` })

const entries = (values: readonly string[], origin: Origin): readonly Entry[] =>
  values.map(value => ({ value, origin }))
