import type { KubeDnsConfig } from './kube-dns.ts'

export type CorefileParts = Pick<KubeDnsConfig, 'stubDomains' | 'upstreamNameservers'> & {
  /** The cluster's domain, as `cluster.local`. */
  readonly clusterDomain: string
}

/**
 * The Corefile that answers as kube-dns with this configuration does: the cluster's names as kubeadm's Corefile has them, a
 * block for each stub domain, everything else to the upstream name servers or the node's. Pure.
 */
export function renderCorefile({
  clusterDomain,
  stubDomains,
  upstreamNameservers,
}: CorefileParts): string {
  const upstreams =
    upstreamNameservers.length === 0 ? '/etc/resolv.conf' : upstreamNameservers.join(' ')
  const root = [
    'errors',
    'health {',
    '    lameduck 5s',
    '}',
    'ready',
    `kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {`,
    '    pods insecure',
    '    fallthrough in-addr.arpa ip6.arpa',
    '    ttl 30',
    '}',
    'prometheus :9153',
    `forward . ${upstreams}`,
    'cache 30 {',
    `    disable success ${clusterDomain}`,
    `    disable denial ${clusterDomain}`,
    '}',
    'loop',
    'reload',
    'loadbalance',
  ]
  const stubs = [...stubDomains].map(([domain, servers]) =>
    block(domain, ['errors', 'cache 30', 'loop', `forward . ${servers.join(' ')}`]),
  )
  return [block('.', root), ...stubs].join('\n')
}

const block = (zone: string, lines: readonly string[]): string =>
  [`${zone}:53 {`, ...lines.map(line => `    ${line}`), '}', ''].join('\n')
