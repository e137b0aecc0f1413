/** Where an entry of a pod's resolver configuration came from. */
export type Origin =
  /** The kubelet's clusterDNS. */
  | { readonly from: 'cluster-dns' }
  /** Made from the pod's namespace and the kubelet's clusterDomain. */
  | { readonly from: 'cluster-domain' }
  /** What every pod with cluster DNS gets. */
  | { readonly from: 'cluster-default' }
  /** The node's resolver file; the line counts from 1. */
  | { readonly from: 'node-file'; readonly line: number }
  /** What stands in for the node's resolver file when the kubelet's resolvConf is empty. */
  | { readonly from: 'no-node-file' }
  /** The pod's own dnsConfig; the field as `spec.dnsConfig.searches[0]`. */
  | { readonly from: 'pod'; readonly field: string }

/** A nameserver, a search suffix or an option (`ndots:5`), and where it came from. */
export type Entry = { readonly value: string; readonly origin: Origin }

/** The origin as a person reads it. `nodeFile` is the path of the node's resolver file. */
export function describeOrigin(origin: Origin, nodeFile: string): string {
  switch (origin.from) {
    case 'cluster-dns':
      return 'the cluster DNS address'
    case 'cluster-domain':
      return "the pod's namespace and the cluster domain"
    case 'cluster-default':
      return 'what every pod with cluster DNS gets'
    case 'node-file':
      return `the node's resolver file, ${nodeFile}:${origin.line}`
    case 'no-node-file':
      return "the node's resolvConf setting is empty: the node itself"
    case 'pod':
      return `the pod's ${origin.field}`
  }
}
