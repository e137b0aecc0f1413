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
import * as cluster from './cluster.ts'

type Named = { readonly name: string; readonly namespace?: string }

const NAMESPACE = 'testns'

/** `http/TCP/80`; an empty name is the unnamed port. */
export function port(text: string): ServicePortSpec {
  const [name = '', protocol = 'TCP', number = '0'] = text.split('/')
  return cluster.servicePort({
    name,
    protocol: protocol as ServicePortSpec['protocol'],
    port: Number(number),
  })
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
  const { ips = [], ports = ['http/TCP/80'], ...fields } = options
  const isExternal = (fields.externalName ?? '') !== ''
  return cluster.service({
    namespace: NAMESPACE,
    type: isExternal ? 'ExternalName' : 'ClusterIP',
    ...fields,
    clusterIP: ips[0] ?? '',
    clusterIPs: ips,
    ports: ports.map(port),
  })
}

/** An endpoint; ready unless it says otherwise. */
export const endpoint = (
  address: string,
  { ready = true, ...fields }: Partial<Endpoint> & { readonly ready?: boolean } = {},
): Endpoint => cluster.endpoint(address, { conditions: { ready }, nodeName: undefined, ...fields })

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
  const { of, ports = ['http/TCP/80'], labels, ...fields } = options
  return cluster.slice({
    name: `${of}-1`,
    namespace: NAMESPACE,
    ...fields,
    labels: { ...labels, [SERVICE_NAME_LABEL]: of },
    addressType: fields.endpoints[0]?.addresses[0]?.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: ports.map(port) satisfies readonly EndpointPort[],
  })
}

export const namespace = (name: string, labels: Record<string, string> = {}): Namespace => ({
  kind: 'Namespace',
  metadata: { name, namespace: '', labels },
})

export const pod = (
  options: Named & { readonly ips: readonly string[]; readonly phase?: string },
): Pod => ({
  kind: 'Pod',
  metadata: { name: options.name, namespace: options.namespace ?? NAMESPACE, labels: {} },
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
