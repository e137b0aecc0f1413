import type { ProxyEndpoint } from './endpoint.ts'
import { isExternallyAccessible, type ServicePort } from './service-port.ts'

/** Where this proxy runs. */
export type Place = {
  readonly nodeName: string
  /** undefined or empty: unknown. */
  readonly zone?: string | undefined
}

/** The endpoints a service port may use, by traffic policy. */
export type SelectedEndpoints = {
  /** For traffic under policy Cluster; empty as well when no traffic of the port is. */
  readonly cluster: readonly ProxyEndpoint[]
  /** For traffic under policy Local; empty as well when no traffic of the port is. */
  readonly local: readonly ProxyEndpoint[]
  /** Is there a usable endpoint anywhere? If not, traffic is refused; else a policy without one drops it. */
  readonly hasAny: boolean
}

/** Is the endpoint on this node? One whose node is unknown never is. */
export const isLocal = (endpoint: ProxyEndpoint, { nodeName }: Place): boolean =>
  endpoint.nodeName === nodeName

/**
 * Which endpoints a service port uses (kube-proxy's CategorizeEndpoints): the ready ones, narrowed by topology hints;
 * where no endpoint is ready, those that still serve while they terminate.
 */
export function selectEndpoints(
  port: ServicePort,
  endpoints: readonly ProxyEndpoint[],
  place: Place,
): SelectedEndpoints {
  const outside = isExternallyAccessible(port)
  const usesCluster = !port.internalPolicyLocal || outside
  const usesLocal = port.internalPolicyLocal || (port.externalPolicyLocal && outside)
  const ready = endpoints.filter(endpoint => endpoint.ready)
  const draining = (list: readonly ProxyEndpoint[]) =>
    list.filter(({ serving, terminating }) => serving && terminating)
  const local = endpoints.filter(endpoint => isLocal(endpoint, place))
  const cluster = usesCluster ? orElse(nearby(ready, place), () => draining(endpoints)) : []
  return {
    cluster,
    local: usesLocal
      ? orElse(
          local.filter(endpoint => endpoint.ready),
          () => draining(local),
        )
      : [],
    hasAny:
      cluster.length > 0 || (usesLocal && (ready.length > 0 || draining(endpoints).length > 0)),
  }
}

/**
 * Keeps the endpoints hinted for this node, else those hinted for this zone, else all. Hints count only where every
 * ready endpoint has some and one of them names this place.
 */
function nearby(
  ready: readonly ProxyEndpoint[],
  { nodeName, zone }: Place,
): readonly ProxyEndpoint[] {
  const sameNode = hintedFor(ready, ({ nodeHints }) => nodeHints, nodeName)
  if (sameNode.length > 0) return sameNode
  return orElse(
    hintedFor(ready, ({ zoneHints }) => zoneHints, zone ?? ''),
    () => ready,
  )
}

function hintedFor(
  ready: readonly ProxyEndpoint[],
  hintsOf: (endpoint: ProxyEndpoint) => readonly string[],
  here: string,
): readonly ProxyEndpoint[] {
  if (here === '' || ready.some(endpoint => hintsOf(endpoint).length === 0)) return []
  return ready.filter(endpoint => hintsOf(endpoint).includes(here))
}

const orElse = (
  list: readonly ProxyEndpoint[],
  other: () => readonly ProxyEndpoint[],
): readonly ProxyEndpoint[] => (list.length > 0 ? list : other())
