import type { IpAddress } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import type { ServicePortState } from '../change-tracker.ts'
import type { ProxyEndpoint } from '../endpoint.ts'
import { servicePortKey } from '../service-port.ts'
import { type Element } from './element.ts'
import { concat, nodePortKey, vipKey } from './name.ts'

/** A set of endpoints with an id of its own, and the destinations that lead to it. */
export type Route = {
  /** Unique and stable: names the same thing in every run. */
  readonly key: string
  readonly protocol: Protocol
  /** `address . port` as nft writes it, each once, sorted. */
  readonly endpoints: readonly string[]
  /** What becomes of connections when there is no endpoint. */
  readonly whenEmpty: 'reject' | 'drop'
  /** Elements that name the route: destination → id. */
  readonly destinations: readonly Destination[]
  /** Elements of sets that go with the route. */
  readonly members: readonly Member[]
}

export type Destination = { readonly container: 'vips' | 'nodeports'; readonly key: string }
export type Member = Pick<Element, 'key'> & {
  readonly container: 'cluster-ips' | 'hairpins' | 'masquerade-nodeports'
}

/**
 * The routes of a service port: one for all its destinations, or two where they use different endpoints
 * (internal traffic policy Local beside a node port).
 */
export function routesOf(port: ServicePortState, nodeName: string): readonly Route[] {
  const { clusterIP, nodePort, protocol, endpoints, internalPolicyLocal } = port
  const internal: Destination = {
    container: 'vips',
    key: vipKey(clusterIP, protocol, port.port),
  }
  const clusterIPMember: Member = { container: 'cluster-ips', key: clusterIP }
  const external: Destination[] = []
  const externalMembers: Member[] = []
  if (nodePort !== 0) {
    const key = nodePortKey(protocol, nodePort)
    external.push({ container: 'nodeports', key })
    externalMembers.push({ container: 'masquerade-nodeports', key })
  }
  const key = servicePortKey(port)
  const common = { protocol, whenEmpty: endpoints.hasAny ? 'drop' : 'reject' } as const
  const route = (
    scope: 'cluster' | 'local',
    destinations: readonly Destination[],
    members: readonly Member[],
  ): Route => ({
    ...common,
    key: scope === 'cluster' ? key : `${key} local`,
    endpoints: endpoints[scope].map(endpoint => concat(endpoint.address, endpoint.port)),
    destinations,
    members: [...members, ...hairpinsOf(endpoints[scope], nodeName)],
  })
  if (!internalPolicyLocal) {
    return [route('cluster', [internal, ...external], [clusterIPMember, ...externalMembers])]
  }
  const local = route('local', [internal], [clusterIPMember])
  return external.length === 0 ? [local] : [local, route('cluster', external, externalMembers)]
}

/**
 * Endpoints that may reach themselves through this node. kube-proxy leaves out endpoints whose node is unknown; we
 * keep them, since hand-written slices rarely name a node and the element changes nothing for any other connection.
 */
function hairpinsOf(endpoints: readonly ProxyEndpoint[], nodeName: string): readonly Member[] {
  const addresses = new Set<IpAddress>()
  for (const endpoint of endpoints) {
    if ((endpoint.nodeName ?? nodeName) === nodeName) addresses.add(endpoint.address)
  }
  return [...addresses].map(ip => ({ container: 'hairpins', key: concat(ip, ip) }))
}
