import type {
  ClusterObject,
  Endpoint,
  EndpointPort,
  EndpointSlice,
  Namespace,
  Pod,
  Service,
  ServicePortSpec,
} from '#cluster/objects.ts'
import { keyOf, SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import type { Change } from '#cluster/store.ts'

type Named = { readonly name: string; readonly namespace?: string }

const metadata = ({ name, namespace = 'testns' }: Named, labels: Record<string, string> = {}) => ({
  name,
  namespace,
  labels,
})

/** `http/TCP/80`; an empty name is the unnamed port. */
export function port(text: string): ServicePortSpec {
  const [name = '', protocol = 'TCP', number = '0'] = text.split('/')
  return {
    name,
    protocol: protocol as ServicePortSpec['protocol'],
    port: Number(number),
    nodePort: 0,
  }
}

/** A Service of the namespace `testns`; with cluster IPs, or `None`, or an external name. */
export function service(
  options: Named & {
    readonly ips?: readonly string[]
    readonly ports?: readonly string[]
    readonly externalName?: string
    readonly type?: Service['type']
    readonly externalIPs?: readonly string[]
    readonly selector?: Record<string, string>
    readonly labels?: Record<string, string>
  },
): Service {
  const { ips = [], ports = ['http/TCP/80'], externalName = '' } = options
  return {
    kind: 'Service',
    metadata: metadata(options, options.labels),
    type: options.type ?? (externalName === '' ? 'ClusterIP' : 'ExternalName'),
    clusterIP: ips[0] ?? '',
    clusterIPs: ips,
    ipFamilies: [],
    ports: ports.map(port),
    externalIPs: options.externalIPs ?? [],
    externalName,
    loadBalancerIngress: [],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    healthCheckNodePort: 0,
    publishNotReadyAddresses: false,
    selector: options.selector,
  }
}

/** An endpoint; ready unless it says otherwise. */
export const endpoint = (
  address: string,
  options: Partial<Endpoint> & { readonly ready?: boolean } = {},
): Endpoint => ({
  addresses: [address],
  conditions: { ready: options.ready ?? true, serving: true, terminating: false },
  ...options,
})

/** A slice of the Service `of`. */
export function slice(
  options: Partial<Named> & {
    readonly of: string
    readonly endpoints: readonly Endpoint[]
    readonly ports?: readonly string[]
    readonly lastChangeTriggerTimeMs?: number
    readonly labels?: Record<string, string>
  },
): EndpointSlice {
  const { of, endpoints, ports = ['http/TCP/80'], name = `${of}-1`, namespace = 'testns' } = options
  return {
    kind: 'EndpointSlice',
    metadata: metadata({ name, namespace }, { ...options.labels, [SERVICE_NAME_LABEL]: of }),
    addressType: endpoints[0]?.addresses[0]?.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: ports.map(port) satisfies readonly EndpointPort[],
    endpoints,
    lastChangeTriggerTimeMs: options.lastChangeTriggerTimeMs,
  }
}

export const namespace = (name: string, labels: Record<string, string> = {}): Namespace => ({
  kind: 'Namespace',
  metadata: { name, namespace: '', labels },
})

export const pod = (
  options: Named & { readonly ips: readonly string[]; readonly phase?: string },
): Pod => ({
  kind: 'Pod',
  metadata: metadata(options),
  dnsPolicy: 'ClusterFirst',
  hostNetwork: false,
  hostname: '',
  subdomain: '',
  nodeName: 'node1',
  containerPorts: [],
  phase: options.phase ?? 'Running',
  podIPs: options.ips,
  ready: true,
  deleting: false,
})

/** The change that brings an object. */
export const added = (object: ClusterObject): Change =>
  ({ kind: object.kind, key: keyOf(object), before: undefined, after: object }) as Change

/** The change that replaces or, without `after`, takes away an object. */
export const changed = (before: ClusterObject, after?: ClusterObject): Change =>
  ({ kind: before.kind, key: keyOf(before), before, after }) as Change
