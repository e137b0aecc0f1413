import type { Service, ServiceImport } from '#cluster/objects.ts'

/** A ServiceImport as the Service that its names are those of: with the IP addresses of the set of clusters, or headless. Pure. */
export function importedService({ metadata, type, ips, ports }: ServiceImport): Service {
  const clusterIPs = type === 'Headless' ? ['None'] : ips
  return {
    kind: 'Service',
    metadata,
    type: 'ClusterIP',
    clusterIP: clusterIPs[0] ?? '',
    clusterIPs,
    ports: ports.map(port => ({ ...port, nodePort: 0 })),
    ipFamilies: [],
    externalIPs: [],
    externalName: '',
    loadBalancerIngress: [],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    healthCheckNodePort: 0,
    publishNotReadyAddresses: false,
  }
}
