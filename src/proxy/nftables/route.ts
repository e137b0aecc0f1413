import type { IpAddress } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { hostPrefix, prefixContains } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import type { ServicePortState } from '../change-tracker.ts'
import type { ProxyEndpoint } from '../endpoint.ts'
import { servicePortKey } from '../service-port.ts'
import { concat, nodePortKey, vipKey } from './name.ts'
import { prefixTexts } from './prefixes.ts'

/** A set of endpoints with an id of its own. */
export type Route = {
  /** Unique and stable: names the same thing in every run. */
  readonly key: string
  readonly protocol: Protocol
  /** `address . port` as nft writes it, each once, sorted. */
  readonly endpoints: readonly string[]
  /** What becomes of connections when there is no endpoint. */
  readonly whenEmpty: 'reject' | 'drop'
  /** How long a client keeps its endpoint; undefined: every connection is balanced. */
  readonly affinitySeconds: number | undefined
}

/** Where connections go to, and which route they take. */
export type Destination = {
  readonly at: 'vips' | 'nodeports'
  readonly key: string
  /** Key of the route. */
  readonly route: string
  /** Key of the route that connections of pods and of this node take instead. */
  readonly insideRoute?: string | undefined
  /** Whose source is replaced: everybody's or this node's. undefined: it goes by the rule for cluster IPs. */
  readonly masquerade?: 'all' | 'node' | undefined
  /** Prefixes, disjoint, as nft writes them; others are dropped. Empty: everybody is let through. */
  readonly sourceRanges?: readonly string[] | undefined
}

/** An element of a set that goes with a service port. */
export type Member = {
  readonly container: 'cluster-ips' | 'service-cidrs' | 'hairpins'
  readonly key: string
}

/** What the table is to hold for one service port. */
export type PortRules = {
  /** Unique and stable, and what decides when two ports want the same destination. */
  readonly key: string
  readonly routes: readonly Route[]
  /** Of equal ones the last counts. */
  readonly destinations: readonly Destination[]
  readonly members: readonly Member[]
}

/** The node that the rules are for. */
export type OwnNode = { readonly nodeName: string; readonly nodeIPs: readonly IpAddress[] }

/**
 * The rules of a service port (section 6 of what kube-proxy promises: the table of traffic policies). Each traffic
 * policy that is in use has a route: a connection under policy Local that comes from a pod or from this node goes by
 * policy Cluster, unless its destination is the cluster IP.
 */
export function portRules(state: ServicePortState, node: OwnNode): PortRules {
  const port = { ...state, key: servicePortKey(state) }
  const destinations = [...externalDestinations(port, node), clusterIPDestination(port)]
  const used = new Set(destinations.flatMap(({ route, insideRoute }) => [route, insideRoute]))
  const scopes = (['cluster', 'local'] as const).filter(scope => used.has(routeKey(port, scope)))
  const hairpins = new Set(scopes.flatMap(scope => hairpinsOf(port.endpoints[scope], node)))
  return {
    key: port.key,
    routes: scopes.map(scope => routeOf(port, scope)),
    destinations,
    members: [
      { container: 'cluster-ips', key: port.clusterIP },
      ...[...hairpins].map(key => ({ container: 'hairpins', key }) as const),
    ],
  }
}

type Scope = 'cluster' | 'local'

/** With its key, so that all that names it is one text in memory. */
type KeyedPort = ServicePortState & { readonly key: string }

const routeKey = ({ key }: KeyedPort, scope: Scope): string =>
  scope === 'cluster' ? key : `${key} local`

const routeOf = (port: KeyedPort, scope: Scope): Route => ({
  key: routeKey(port, scope),
  protocol: port.protocol,
  endpoints: port.endpoints[scope].map(({ address, port }) => concat(address, port)),
  whenEmpty: port.endpoints.hasAny ? 'drop' : 'reject',
  affinitySeconds: port.affinityTimeoutSeconds,
})

const clusterIPDestination = (port: KeyedPort): Destination => ({
  at: 'vips',
  key: vipKey(port.clusterIP, port.protocol, port.port),
  route: routeKey(port, port.internalPolicyLocal ? 'local' : 'cluster'),
})

function externalDestinations(port: KeyedPort, node: OwnNode): readonly Destination[] {
  const { protocol, nodePort, externalIPs, loadBalancerVIPs, externalPolicyLocal } = port
  const common = externalPolicyLocal
    ? {
        route: routeKey(port, 'local'),
        insideRoute: routeKey(port, 'cluster'),
        masquerade: 'node' as const,
      }
    : { route: routeKey(port, 'cluster'), masquerade: 'all' as const }
  const at = (ip: IpAddress) =>
    ({ at: 'vips', key: vipKey(ip, protocol, port.port), ...common }) as const
  const sourceRanges = prefixTexts(allowedSources(port, node))
  return [
    ...externalIPs.map(at),
    ...loadBalancerVIPs.map(ip => ({ ...at(ip), sourceRanges })),
    ...(nodePort === 0
      ? []
      : [{ at: 'nodeports', key: nodePortKey(protocol, nodePort), ...common } as const]),
  ]
}

/** A node that has a VIP on a link of its own sees its own connections come from it, so the VIPs go with the node. */
function allowedSources(
  { sourceRanges, loadBalancerVIPs }: ServicePortState,
  { nodeIPs }: OwnNode,
): readonly IpPrefix[] {
  const holdNode = sourceRanges.some(range => nodeIPs.some(ip => prefixContains(range, ip)))
  return holdNode ? [...sourceRanges, ...loadBalancerVIPs.map(hostPrefix)] : sourceRanges
}

/**
 * Endpoints that may reach themselves through this node. kube-proxy leaves out endpoints whose node is unknown; we
 * keep them, since hand-written slices rarely name a node and the element changes nothing for any other connection.
 */
const hairpinsOf = (
  endpoints: readonly ProxyEndpoint[],
  { nodeName }: OwnNode,
): readonly string[] =>
  endpoints
    .filter(endpoint => (endpoint.nodeName ?? nodeName) === nodeName)
    .map(({ address }) => concat(address, address))
