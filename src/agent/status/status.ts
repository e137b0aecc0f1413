import { type Severity, worst } from '../severity.ts'
import type {
  DnsView,
  IncidentView,
  NodeView,
  PartView,
  PodView,
  RoutesView,
  ServiceView,
} from '../view/types.ts'
import { ageOf, count, share } from './words.ts'

/** What a status is made of; a part that is not configured is undefined. */
export type StatusInput = {
  readonly node: NodeView
  readonly services: readonly ServiceView[]
  readonly dns: DnsView | undefined
  readonly pods: readonly PodView[] | undefined
  readonly routes: RoutesView | undefined
  /** The oldest first. */
  readonly incidents: readonly IncidentView[]
}

export type StatusLine = {
  readonly part: PartView['part']
  readonly severity: Severity
  /** Counts. */
  readonly summary: string
  /** Why it is not OK. */
  readonly reason?: string | undefined
}

/** A node at a glance. */
export type Status = {
  readonly node: string
  readonly version: string
  readonly upSeconds: number
  readonly memoryBytes: number
  readonly severity: Severity
  readonly parts: readonly StatusLine[]
  /** The newest last. */
  readonly incidents: readonly IncidentView[]
}

/** Incidents that a screen has room for. */
const SHOWN_INCIDENTS = 5
/** A few answers that failed are the Internet's; more are somebody's trouble. */
const SERVFAIL_SHARE = 0.05
/** A handful of queries says nothing. */
const MIN_ANSWERS = 100

/** How the node is, part by part, in the order in which a node needs them. */
export function statusOf(input: StatusInput): Status {
  const { node, incidents } = input
  const parts = node.parts.map((part): StatusLine => {
    const { summary, warning } = detailsOf(part.part, input)
    const open = incidents.findLast(each => each.part === part.part && each.healedMs === undefined)
    const concern = warning ?? open?.message
    if (!part.ok) return { part: part.part, severity: 'FAIL', summary, reason: part.reason }
    if (concern === undefined) return { part: part.part, severity: 'OK', summary }
    return { part: part.part, severity: 'WARN', summary, reason: concern }
  })
  return {
    node: node.node,
    version: node.version,
    upSeconds: Math.round((node.nowMs - node.startedMs) / 1_000),
    memoryBytes: node.memoryBytes,
    severity: worst(parts.map(({ severity }) => severity)),
    parts,
    incidents: incidents.slice(-SHOWN_INCIDENTS),
  }
}

type Details = { readonly summary: string; readonly warning?: string | undefined }

function detailsOf(part: PartView['part'], input: StatusInput): Details {
  switch (part) {
    case 'cluster':
      return clusterDetails(input.node)
    case 'proxy':
      return proxyDetails(input.services)
    case 'dns':
      return dnsDetails(input.dns)
    case 'cni':
      return cniDetails(input.pods ?? [])
    case 'routes':
      return routesDetails(input.routes)
  }
}

function clusterDetails({ cluster, nowMs }: NodeView): Details {
  const { origin, kinds, staleSinceMs, lastHeardMs } = cluster
  const silence = lastHeardMs === undefined ? undefined : ageOf(nowMs - lastHeardMs)
  const counts = kinds.map(({ kind, count: number }) => count(number, kind))
  return {
    summary: `${origin}: ${counts.join(', ')}`,
    warning:
      staleSinceMs === undefined
        ? silence && `does not answer for ${silence}: the last state is kept`
        : `of a snapshot that is ${ageOf(nowMs - staleSinceMs)} old: the source does not answer`,
  }
}

function proxyDetails(services: readonly ServiceView[]): Details {
  const ports = services
    .filter(({ type, clusterIPs }) => type !== 'ExternalName' && !clusterIPs.includes('None'))
    .flatMap(({ ports }) => ports)
  const idle = ports.filter(({ ready }) => ready === 0).length
  const endpoints = ports.reduce((sum, { ready }) => sum + ready, 0)
  const without = idle === 0 ? '' : `, ${idle} without a ready endpoint`
  return {
    summary: `${count(ports.length, 'service port')}, ${count(endpoints, 'endpoint')}${without}`,
  }
}

function dnsDetails(dns: DnsView | undefined): Details {
  if (dns === undefined) return { summary: 'not started' }
  const { queries, rcodes, cache, upstreams } = dns
  const answers = Object.values(rcodes).reduce((sum, each) => sum + each, 0)
  const failed = rcodes['SERVFAIL'] ?? 0
  const asked = cache.hits + cache.misses
  return {
    summary: [
      count(queries, 'query', 'queries'),
      ...(asked === 0 ? [] : [`${share(cache.hits, asked)} of outside names cached`]),
      ...(answers === 0 ? [] : [`${share(rcodes['NXDOMAIN'] ?? 0, answers)} NXDOMAIN`]),
      ...(upstreams.length === 0 ? [] : [count(upstreams.length, 'upstream')]),
    ].join(', '),
    warning:
      answers >= MIN_ANSWERS && failed / answers >= SERVFAIL_SHARE
        ? `${share(failed, answers)} of the answers are SERVFAIL`
        : undefined,
  }
}

function cniDetails(pods: readonly PodView[]): Details {
  const addresses = pods.reduce((sum, { addresses }) => sum + addresses.length, 0)
  return {
    summary: `${count(pods.length, 'interface')}, ${count(addresses, 'address', 'addresses')}`,
  }
}

function routesDetails(routes: RoutesView | undefined): Details {
  const nodes = (routes?.nodes ?? []).filter(({ via }) => via !== 'own')
  const by = (via: string) => nodes.filter(each => each.via === via).length
  const lost = nodes.find(({ via, podCIDRs }) => via === 'none' && podCIDRs.length > 0)
  return {
    summary: [
      `${count(nodes.length, 'other node')}`,
      ...(by('route') === 0 ? [] : [`${by('route')} by route`]),
      ...(by('tunnel') === 0 ? [] : [`${by('tunnel')} by tunnel`]),
      ...(routes?.mtu === undefined ? [] : [`MTU ${routes.mtu}`]),
    ].join(', '),
    warning: lost && `no way to the pods of ${lost.node}${lost.reason ? `: ${lost.reason}` : ''}`,
  }
}
