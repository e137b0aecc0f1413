import { readFileSync } from 'node:fs'
import type { Pod } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import { podDns } from '#dns/policy/pod-dns.ts'
import { type NodeResolver, parseResolvConf } from '#dns/policy/resolv-conf.ts'
import { parseIp } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import type { Resolver } from '../facts.ts'
import type { Surroundings } from './surroundings.ts'

/** Where every distribution of Kubernetes has its DNS Service. */
const DNS_SERVICE = 'kube-system/kube-dns'

/** resolv.conf(5) */
const DEFAULT_NDOTS = 1

/**
 * How a pod resolves names, by its dnsPolicy. Without a pod: as one of `namespace` with the policy ClusterFirst, since that is
 * what programs in the cluster have.
 */
export function resolverFor(
  pod: Pod | undefined,
  namespace: string,
  surroundings: Surroundings,
): Resolver {
  const { store, kubelet } = surroundings
  const clusterDns = kubelet.clusterDns.length > 0 ? kubelet.clusterDns : clusterDnsFrom(store)
  const asked = pod ?? {
    metadata: { name: '', namespace, labels: {} },
    dnsPolicy: 'ClusterFirst',
    hostNetwork: false,
  }
  const dns = podDns(asked, {
    clusterDns,
    clusterDomain: kubelet.clusterDomain,
    resolver: nodeResolver(kubelet, surroundings),
    nodeIPs: [],
  })
  const ndots = dns.options
    .map(({ value }) => /^ndots:([0-9]+)$/.exec(value)?.[1])
    .findLast(Boolean)
  return {
    servers: dns.nameservers.map(({ value }) => parseIp(value)).filter(ip => ip !== undefined),
    searches: dns.searches.map(({ value }) => value),
    ndots: Math.min(15, Number(ndots ?? DEFAULT_NDOTS)),
    why: pod === undefined ? `as a pod of namespace ${namespace}` : dns.base.why,
  }
}

/** Is there a DNS server of the cluster, as far as is known here? */
export const hasClusterDns = ({ kubelet, store }: Surroundings): boolean =>
  kubelet.clusterDns.length > 0 || clusterDnsFrom(store).length > 0

const clusterDnsFrom = (store: StoreReader) =>
  (store.get('Service', DNS_SERVICE)?.clusterIPs ?? []).flatMap(text => parseIp(text) ?? [])

function nodeResolver({ resolvConf }: KubeletDns, { log }: Surroundings): NodeResolver | undefined {
  if (resolvConf === '') return undefined
  try {
    return parseResolvConf(readFileSync(resolvConf, 'utf8'))
  } catch (error) {
    log.warn({ file: resolvConf, reason: describeError(error) }, "the node's resolver is not known")
    return undefined
  }
}
