import type { EndpointPort, EndpointSlice } from '#cluster/objects.ts'
import { familyOf, type IpAddress, type IpFamily, parseIpUnmapped } from '#net/ip.ts'
import type { HttpAnswer } from '#runtime/http-server.ts'

/** What a load balancer is told about a Service at its `healthCheckNodePort`. */
export type HealthCheck = {
  readonly port: number
  /** Ready endpoints on this node: pods, not ports. */
  readonly localEndpoints: number
}

/**
 * How many ready endpoints of this family a node has in a Service's slices, each address once whatever its ports.
 * Terminating endpoints are not ready, so they never count, though they may still get traffic. Nor do those of a slice
 * without a port that proxies can use: there are such slices for pods that lack the port a Service names.
 */
export function countLocalReady(
  slices: Iterable<EndpointSlice>,
  { nodeName, family }: { readonly nodeName: string; readonly family: IpFamily },
): number {
  const addresses = new Set<IpAddress>()
  for (const { ports, endpoints } of slices) {
    if (!ports.some(isUsable)) continue
    for (const endpoint of endpoints) {
      if (!endpoint.conditions.ready || endpoint.nodeName !== nodeName) continue
      const address = parseIpUnmapped(endpoint.addresses[0] ?? '')
      if (address !== undefined && familyOf(address) === family) addresses.add(address)
    }
  }
  return addresses.size
}

const isUsable = ({ name, port }: EndpointPort): boolean => name !== undefined && Boolean(port)

/** Servers to be closed and opened, by Service, to get from what is open to what is wanted. */
export type HealthCheckChanges = {
  readonly close: readonly string[]
  readonly open: readonly (readonly [service: string, port: number])[]
}

/** Pure. A Service whose port changed is in both lists: closing comes first, as ports may change hands. */
export function healthCheckChanges(
  open: ReadonlyMap<string, { readonly port: number }>,
  wanted: ReadonlyMap<string, HealthCheck>,
): HealthCheckChanges {
  const isRight = (service: string) => open.get(service)?.port === wanted.get(service)?.port
  return {
    close: [...open.keys()].filter(service => !isRight(service)),
    open: [...wanted]
      .filter(([service]) => !isRight(service))
      .map(([service, { port }]) => [service, port] as const),
  }
}

/** kube-proxy's answer (pkg/proxy/healthcheck/service_health.go): JSON with tabs, the weight in a header. */
export function renderHealthCheck(
  service: string,
  { localEndpoints, isProxyHealthy }: { localEndpoints: number; isProxyHealthy: boolean },
): HttpAnswer {
  const [namespace, name] = service.split('/', 2)
  const body = {
    service: { namespace, name },
    localEndpoints,
    serviceProxyHealthy: isProxyHealthy,
  }
  return {
    status: localEndpoints > 0 && isProxyHealthy ? 200 : 503,
    body: JSON.stringify(body, null, '\t'),
    contentType: 'application/json',
    headers: { 'x-load-balancing-endpoint-weight': String(localEndpoints) },
  }
}
