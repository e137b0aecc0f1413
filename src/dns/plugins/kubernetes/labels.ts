import type { Metadata, Query } from '../../message.ts'
import { longestZone } from '../../name.ts'
import type { ClusterZone } from '../../plugin.ts'
import { parseRequest } from '../../zone/request.ts'
import type { KubernetesOptions } from './options.ts'

/** Puts what a name in the cluster's zones says, and which Pod asks, into the labels of a query. */
export function labelQuery(
  { index, options }: ClusterZone,
  { zones, multicluster, zonal }: Pick<KubernetesOptions, 'zones' | 'multicluster' | 'zonal'>,
  { query, labels }: { readonly query: Query; readonly labels: Metadata },
): void {
  const client = () => {
    const pods = options.pods === 'verified' ? index.podsAt(query.client.address) : []
    return pods.length === 1 ? pods[0]?.metadata : undefined
  }
  for (const [key, value] of Object.entries(client()?.labels ?? {})) {
    labels.set(`kubernetes/client-label/${key}`, () => value)
  }
  labels.set('kubernetes/client-namespace', () => client()?.namespace ?? '')
  labels.set('kubernetes/client-pod-name', () => client()?.name ?? '')
  const name = query.question.name.toLowerCase()
  const zone = longestZone(zones, name)
  if (zone === undefined) return
  const grammar = { zonal, multicluster: multicluster.includes(zone) }
  const request = () => parseRequest(name, zone, grammar)
  const service = () => {
    const asked = request()
    return asked.kind === 'service' ? asked : undefined
  }
  const set = (label: string, value: () => string | undefined) =>
    labels.set(`kubernetes/${label}`, () => value() ?? '')
  set('zone', () => zone)
  // CoreDNS's words for a name that is none of the schema.
  set('parse-error', () => (request().kind === 'unknown' ? 'invalid query name' : undefined))
  set('kind', () => ({ service: 'svc', pod: 'pod' })[request().kind as string])
  set('namespace', () => {
    const asked = request()
    return 'namespace' in asked ? asked.namespace : undefined
  })
  set('service', () => service()?.service)
  set('endpoint', () => service()?.endpoint)
  set('cluster', () => service()?.cluster)
  set('port-name', () => service()?.port?.name)
  set('protocol', () => service()?.port?.protocol)
}
