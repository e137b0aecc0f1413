import type { Service, ServicePortSpec } from '#cluster/objects.ts'
import { keyOf } from '#cluster/objects.ts'
import { familyOf, type IpAddress, type IpFamily, parseIpUnmapped } from '#net/ip.ts'
import { type IpPrefix, parsePrefixUnmapped } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'

/** One port of one Service in one family: what the proxy balances. */
export type ServicePort = {
  /** `namespace/name`. */
  readonly service: string
  /** Empty for the unnamed port. */
  readonly portName: string
  readonly protocol: Protocol
  readonly clusterIP: IpAddress
  readonly port: number
  /** 0 when there is none. */
  readonly nodePort: number
  readonly externalIPs: readonly IpAddress[]
  /** Addresses of the load balancer that nodes are to answer for (`ipMode` VIP). */
  readonly loadBalancerVIPs: readonly IpAddress[]
  /** Sources let through to {@link loadBalancerVIPs}; empty lets everyone through. */
  readonly sourceRanges: readonly IpPrefix[]
  /** Seconds of ClientIP affinity, or undefined for none. */
  readonly affinityTimeoutSeconds: number | undefined
  readonly internalPolicyLocal: boolean
  readonly externalPolicyLocal: boolean
  /** Where the load balancer asks whether this node has endpoints; 0: it does not. */
  readonly healthCheckNodePort: number
}

/** A Service with this label (whatever its value) is for another proxy. */
const OTHER_PROXY_LABEL = 'service.kubernetes.io/service-proxy-name'

/** How people, comments and kube-proxy name a service port: `namespace/name:port`, without `:port` for the unnamed one. */
export const displayName = ({
  service,
  portName,
}: Pick<ServicePort, 'service' | 'portName'>): string =>
  `${service}${portName === '' ? '' : `:${portName}`}`

/** Unique among the service ports of a family, and how logs name it: `namespace/name:port/TCP`. */
export const servicePortKey = (
  port: Pick<ServicePort, 'service' | 'portName' | 'protocol'>,
): string => `${displayName(port)}/${port.protocol}`

/** May a connection from outside the cluster reach this port? */
export const isExternallyAccessible = (port: ServicePort): boolean =>
  port.nodePort !== 0 || port.externalIPs.length > 0 || port.loadBalancerVIPs.length > 0

/**
 * The service ports of one family, none for a Service that is not the proxy's business: headless, ExternalName, of
 * another proxy, or without a cluster IP of the family. Of ports with equal name and protocol the first counts.
 */
export function servicePortsOf(service: Service, family: IpFamily): readonly ServicePort[] {
  const clusterIP = clusterIPOf(service, family)
  if (clusterIP === undefined || !isProxied(service)) return []
  const ports = new Map<string, ServicePort>()
  const common = commonOf(service, family)
  for (const spec of service.ports) {
    const port = { ...common, ...portOf(spec), clusterIP }
    const key = servicePortKey(port)
    if (!ports.has(key)) ports.set(key, port)
  }
  return [...ports.values()]
}

const isProxied = ({ type, metadata }: Service): boolean =>
  type !== 'ExternalName' && !Object.hasOwn(metadata.labels, OTHER_PROXY_LABEL)

const portOf = ({ name, protocol, port, nodePort }: ServicePortSpec) => ({
  portName: name,
  protocol,
  port,
  nodePort,
})

function commonOf(service: Service, family: IpFamily) {
  const vips = service.loadBalancerIngress
    .filter(({ ipMode }) => ipMode === undefined || ipMode === 'VIP')
    .map(({ ip }) => ip ?? '')
  return {
    service: keyOf(service),
    externalIPs: addressesOf(service.externalIPs, family),
    loadBalancerVIPs: addressesOf(vips, family),
    sourceRanges: sourceRangesOf(service.loadBalancerSourceRanges, family),
    affinityTimeoutSeconds: affinityOf(service),
    internalPolicyLocal: service.internalTrafficPolicy === 'Local',
    externalPolicyLocal: service.externalTrafficPolicy === 'Local' && acceptsOutsiders(service),
    healthCheckNodePort: isHealthChecked(service) ? service.healthCheckNodePort : 0,
  }
}

/** The API server admits 1 second to a day; objects from elsewhere are brought there. */
function affinityOf({ affinityTimeoutSeconds }: Service): number | undefined {
  if (affinityTimeoutSeconds === undefined) return undefined
  return Math.min(86_400, Math.max(1, Math.trunc(affinityTimeoutSeconds) || 1))
}

/** Does a load balancer ask each node whether it has endpoints of this Service? */
export const isHealthChecked = ({ type, externalTrafficPolicy }: Service): boolean =>
  type === 'LoadBalancer' && externalTrafficPolicy === 'Local'

/** Types to which an external traffic policy applies. */
const acceptsOutsiders = ({ type, externalIPs }: Service): boolean =>
  type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && externalIPs.length > 0)

function clusterIPOf(service: Service, family: IpFamily): IpAddress | undefined {
  const { clusterIP, clusterIPs, ipFamilies } = service
  if (clusterIP === '' || clusterIP === 'None') return undefined
  const index = ipFamilies.indexOf(family)
  const text = ipFamilies.length === 0 ? clusterIP : index < 0 ? undefined : clusterIPs[index]
  return addressesOf(text === undefined ? [] : [text], family)[0]
}

function addressesOf(texts: readonly string[], family: IpFamily): readonly IpAddress[] {
  const addresses = new Set<IpAddress>()
  for (const text of texts) {
    const address = parseIpUnmapped(text)
    if (address !== undefined && familyOf(address) === family) addresses.add(address)
  }
  return [...addresses]
}

/** A range that holds everything makes the list of its family mean everyone. */
function sourceRangesOf(texts: readonly string[], family: IpFamily): readonly IpPrefix[] {
  const ranges = texts
    .map(text => parsePrefixUnmapped(text.trim()))
    .filter(prefix => prefix?.family === family) as IpPrefix[]
  return ranges.some(({ length }) => length === 0) ? [] : ranges
}
