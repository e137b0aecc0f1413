import { splitLabels } from '../name.ts'

/** What a name below a forward zone asks for, by its form alone: whether it exists is not looked at. */
export type Request =
  | { readonly kind: 'apex' }
  /** `svc.Z` and `pod.Z`: they exist and have nothing. */
  | { readonly kind: 'branch' }
  | { readonly kind: 'namespace'; readonly branch: 'svc' | 'pod'; readonly namespace: string }
  | ServiceRequest
  | { readonly kind: 'pod'; readonly namespace: string; readonly label: string }
  /** `dns-version.Z`. */
  | { readonly kind: 'version' }
  /** `ns.dns.Z`, the server itself. */
  | { readonly kind: 'server' }
  /** No name of the schema. */
  | { readonly kind: 'unknown' }

/** A Service, or the part of it that the labels in front narrow it to. */
export type ServiceRequest = {
  readonly kind: 'service'
  readonly namespace: string
  readonly service: string
  readonly endpoint?: string
  /** Of the endpoint, in a zone of several clusters. */
  readonly cluster?: string
  /** Only endpoints in this zone of the topology; where there are none, all of them unless it is pinned. */
  readonly topology?: { readonly zone: string; readonly isPinned: boolean }
  readonly port?: { readonly name: string; readonly protocol: string }
}

/** Names that only some zones have. */
export type Grammar = {
  /** `TOPOLOGYZONE.pin._zone.SERVICE…` (CoreDNS's option `zonal`). */
  readonly zonal?: boolean
  /** `ENDPOINT.CLUSTER.SERVICE…` (CoreDNS's option `multicluster`). Zonal names are none there. */
  readonly multicluster?: boolean
}

const UNKNOWN: Request = { kind: 'unknown' }

/**
 * Reads a name by the schema of the Kubernetes DNS specification 1.1.0, section 2.
 * @param name lower case, in `zone`.
 * @param zone lower case, ending in a dot.
 */
export function parseRequest(name: string, zone: string, grammar: Grammar = {}): Request {
  if (name === zone) return { kind: 'apex' }
  const labels = splitLabels(zone === '.' ? name : name.slice(0, -zone.length))
  const branch = labels.at(-1)
  if (branch === 'svc' && grammar.zonal === true && grammar.multicluster !== true) {
    const zonal = parseZonal(labels.slice(0, -1))
    if (zonal !== undefined) return zonal
  }
  if (branch === 'svc' || branch === 'pod') {
    return parseBranch(branch, labels.slice(0, -1), grammar.multicluster === true)
  }
  if (branch === 'dns-version' && labels.length === 1) return { kind: 'version' }
  if (branch === 'dns' && labels.length === 2 && labels[0] === 'ns') return { kind: 'server' }
  return UNKNOWN
}

/** `eu.west-1.pin._zone.web.default`: the topology zone may have dots. undefined: it is no zonal name. */
function parseZonal(labels: readonly string[]): Request | undefined {
  const [directive, marker, service = '', namespace = ''] = labels.slice(-4)
  const zone = labels.slice(0, -4).join('.')
  if (marker !== '_zone' || zone === '') return undefined
  if (directive !== 'pin' && directive !== 'prefer') return UNKNOWN
  return { kind: 'service', namespace, service, topology: { zone, isPinned: directive === 'pin' } }
}

function parseBranch(
  branch: 'svc' | 'pod',
  labels: readonly string[],
  multicluster: boolean,
): Request {
  const [third, second, first, namespace] = [-4, -3, -2, -1].map(index => labels.at(index))
  if (namespace === undefined) return { kind: 'branch' }
  if (first === undefined) return { kind: 'namespace', branch, namespace }
  if (labels.length > 4) return UNKNOWN
  // CoreDNS does not look at up to two labels before a pod's; kept.
  if (branch === 'pod') return { kind: 'pod', namespace, label: first }
  const service = { kind: 'service', namespace, service: first } as const
  if (second === undefined) return service
  // A single label is always an endpoint, also `_tcp`, as in CoreDNS.
  if (third === undefined) return { ...service, endpoint: second }
  const isPort = second.startsWith('_') || third.startsWith('_')
  if (multicluster && !isPort) return { ...service, endpoint: third, cluster: second }
  return {
    ...service,
    port: { name: withoutUnderscore(third), protocol: withoutUnderscore(second) },
  }
}

/** The underscores of RFC 2782 may be left out, as in CoreDNS. */
const withoutUnderscore = (label: string): string =>
  label.startsWith('_') ? label.slice(1) : label
