import type { Endpoint, EndpointSlice } from '#cluster/objects.ts'
import { familyOf, formatHostPort, type IpAddress, parseIpUnmapped } from '#net/ip.ts'
import type { ServicePort } from './service-port.ts'

/** Where one service port may send a connection. */
export type ProxyEndpoint = {
  readonly address: IpAddress
  readonly port: number
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  /** undefined when the slice does not say. */
  readonly nodeName: string | undefined
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
}

/**
 * The endpoints of a service port in all its slices, each address and port once, sorted by `address:port` text.
 * Slices of the other family contribute nothing. Their order does not matter: of duplicates a ready endpoint is
 * preferred to one that is not, any to a terminating one, then the one of the first slice by name
 * (kube-proxy leaves the last step to chance).
 */
export function endpointsOf(
  port: Pick<ServicePort, 'portName' | 'protocol' | 'clusterIP'>,
  slices: Iterable<EndpointSlice>,
): readonly ProxyEndpoint[] {
  const found = new Map<string, ProxyEndpoint>()
  for (const slice of inNameOrder(slices)) {
    for (const { name, protocol, port: number } of slice.ports) {
      if (name !== port.portName || protocol !== port.protocol || !number) continue
      for (const endpoint of slice.endpoints) {
        const candidate = proxyEndpoint(endpoint, number)
        if (candidate === undefined) continue
        if (familyOf(candidate.address) !== familyOf(port.clusterIP)) continue
        const key = formatHostPort(candidate.address, number)
        const other = found.get(key)
        if (other === undefined || rank(candidate) < rank(other)) found.set(key, candidate)
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}

function inNameOrder(slices: Iterable<EndpointSlice>): readonly EndpointSlice[] {
  const list = [...slices]
  return list.length < 2 ? list : list.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

const rank = ({ ready, terminating }: ProxyEndpoint): number => (terminating ? 2 : ready ? 0 : 1)

function proxyEndpoint(endpoint: Endpoint, port: number): ProxyEndpoint | undefined {
  // All addresses of an endpoint are the same pod: consumers take the first (EndpointSlice API).
  const address = parseIpUnmapped(endpoint.addresses[0] ?? '')
  if (address === undefined) return undefined
  const { ready, serving, terminating } = endpoint.conditions
  return {
    address,
    port,
    ready,
    serving,
    terminating,
    nodeName: endpoint.nodeName,
    zoneHints: endpoint.zoneHints ?? NO_HINTS,
    nodeHints: endpoint.nodeHints ?? NO_HINTS,
  }
}

const NO_HINTS: readonly string[] = []
