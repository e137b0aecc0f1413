import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import {
  type EndpointSlice,
  IMPORT_NAME_LABEL,
  type Kind,
  type Labels,
  type Namespace,
  type Node,
  type ObjectMeta,
  type ObjectOf,
  type Pod,
  type PodDnsConfig,
  SERVICE_NAME_LABEL,
  type Service,
  type ServiceCIDR,
  type ServiceImport,
  type ServicePortSpec,
  SOURCE_CLUSTER_LABEL,
} from './objects.ts'
import { Raw } from './raw.ts'

/** The annotation with the time of the change that an EndpointSlice reflects (RFC 3339). */
const TRIGGER_TIME_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Of the labels of Services and EndpointSlices only these are read; selectors are applied before objects get here. */
const keptLabels: readonly string[] = [
  SERVICE_NAME_LABEL,
  'service.kubernetes.io/service-proxy-name',
  'service.kubernetes.io/headless',
  IMPORT_NAME_LABEL,
  SOURCE_CLUSTER_LABEL,
]

const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']

const converters: { readonly [K in Kind]: (raw: Raw) => ObjectOf[K] } = {
  Service: serviceFromApi,
  EndpointSlice: endpointSliceFromApi,
  Node: nodeFromApi,
  Namespace: raw =>
    ({ kind: 'Namespace', metadata: metaFrom(raw, 'cluster', 'all labels') }) satisfies Namespace,
  Pod: podFromApi,
  ServiceCIDR: raw =>
    ({
      kind: 'ServiceCIDR',
      metadata: metaFrom(raw, 'cluster', 'known labels'),
      cidrs: raw.get('spec').get('cidrs').strings(),
    }) satisfies ServiceCIDR,
  ServiceImport: serviceImportFromApi,
}

/**
 * Cuts an object of the API, as JSON or YAML gave it, down to what is kept of it. Defaults that the API server would have
 * filled in are filled in, so manifests work too.
 * @throws {ConvertError} a field has the wrong type, or the name is missing.
 */
export function objectFromApi<K extends Kind>(kind: K, raw: unknown): ObjectOf[K] {
  return converters[kind](new Raw(raw))
}

function metaFrom(
  raw: Raw,
  scope: 'cluster' | 'namespace',
  keep: 'all labels' | 'known labels',
): ObjectMeta {
  const metadata = raw.get('metadata')
  const labels = metadata.get('labels').stringMap() ?? {}
  return {
    name: metadata.get('name').requiredString(),
    namespace: scope === 'cluster' ? '' : metadata.get('namespace').string() || 'default',
    labels: keep === 'all labels' ? labels : knownLabels(labels),
  }
}

function knownLabels(labels: Labels): Labels {
  const known: Record<string, string> = {}
  for (const name of keptLabels) {
    const value = labels[name]
    if (value !== undefined) known[name] = value
  }
  return known
}

function serviceFromApi(raw: Raw): Service {
  const spec = raw.get('spec')
  const clusterIPs = spec.get('clusterIPs').strings()
  const affinity = spec.get('sessionAffinity').oneOf(['None', 'ClientIP'], 'None')
  const timeout = spec.get('sessionAffinityConfig').get('clientIP').get('timeoutSeconds')
  return {
    kind: 'Service',
    metadata: metaFrom(raw, 'namespace', 'known labels'),
    type: spec
      .get('type')
      .oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], 'ClusterIP'),
    clusterIP: spec.get('clusterIP').string(clusterIPs[0] ?? ''),
    clusterIPs,
    ipFamilies: spec.get('ipFamilies').items().map(familyFrom),
    ports: spec.get('ports').items().map(servicePortFrom),
    externalIPs: spec.get('externalIPs').strings(),
    externalName: spec.get('externalName').string(),
    loadBalancerIngress: raw
      .get('status')
      .get('loadBalancer')
      .get('ingress')
      .items()
      .map(ingress => ({
        ip: ingress.get('ip').optionalString(),
        hostname: ingress.get('hostname').optionalString(),
        ipMode: ingress.get('ipMode').optionalString(),
      })),
    loadBalancerSourceRanges: spec.get('loadBalancerSourceRanges').strings(),
    // The API's default timeout is three hours.
    affinityTimeoutSeconds: affinity === 'ClientIP' ? timeout.number(10800) : undefined,
    internalTrafficPolicy: spec.get('internalTrafficPolicy').oneOf(['Cluster', 'Local'], 'Cluster'),
    externalTrafficPolicy: spec.get('externalTrafficPolicy').oneOf(['Cluster', 'Local'], 'Cluster'),
    healthCheckNodePort: spec.get('healthCheckNodePort').number(),
    publishNotReadyAddresses: spec.get('publishNotReadyAddresses').boolean(),
    selector: spec.get('selector').stringMap(),
  }
}

function familyFrom(raw: Raw): IpFamily {
  return raw.oneOf(['IPv4', 'IPv6'], 'IPv4') === 'IPv4' ? 4 : 6
}

function servicePortFrom(raw: Raw): ServicePortSpec {
  return {
    name: raw.get('name').string(),
    protocol: raw.get('protocol').oneOf(protocols, 'TCP'),
    port: raw.get('port').number(),
    nodePort: raw.get('nodePort').number(),
    targetPort: raw.get('targetPort').numberOrString(),
    appProtocol: raw.get('appProtocol').optionalString(),
  }
}

function endpointSliceFromApi(raw: Raw): EndpointSlice {
  const trigger = raw.get('metadata').get('annotations').get(TRIGGER_TIME_ANNOTATION).string()
  const triggerMs = Date.parse(trigger)
  return {
    kind: 'EndpointSlice',
    metadata: metaFrom(raw, 'namespace', 'known labels'),
    addressType: raw.get('addressType').oneOf(['IPv4', 'IPv6', 'FQDN'], 'IPv4'),
    ports: raw
      .get('ports')
      .items()
      .map(port => ({
        name: port.get('name').string(),
        protocol: port.get('protocol').oneOf(protocols, 'TCP'),
        port: port.get('port').optionalNumber(),
      })),
    endpoints: raw.get('endpoints').items().map(endpointFrom),
    lastChangeTriggerTimeMs: Number.isNaN(triggerMs) ? undefined : triggerMs,
  }
}

function endpointFrom(raw: Raw): EndpointSlice['endpoints'][number] {
  const conditions = raw.get('conditions')
  const target = raw.get('targetRef')
  const ready = conditions.get('ready').boolean(true)
  const named = (list: Raw) =>
    list.isAbsent ? undefined : list.items().map(item => item.get('name').string())
  return {
    addresses: raw.get('addresses').strings(),
    conditions: {
      ready,
      serving: conditions.get('serving').boolean(true),
      terminating: conditions.get('terminating').boolean(),
    },
    hostname: raw.get('hostname').optionalString(),
    nodeName: raw.get('nodeName').optionalString(),
    podName:
      target.get('kind').string() === 'Pod' ? target.get('name').optionalString() : undefined,
    zone: raw.get('zone').optionalString(),
    zoneHints: named(raw.get('hints').get('forZones')),
    nodeHints: named(raw.get('hints').get('forNodes')),
  }
}

function serviceImportFromApi(raw: Raw): ServiceImport {
  const spec = raw.get('spec')
  const portFrom = (port: Raw) => ({
    name: port.get('name').string(),
    protocol: port.get('protocol').oneOf(protocols, 'TCP'),
    port: port.get('port').number(),
  })
  return {
    kind: 'ServiceImport',
    metadata: metaFrom(raw, 'namespace', 'known labels'),
    type: spec.get('type').oneOf(['ClusterSetIP', 'Headless'], 'ClusterSetIP'),
    ips: spec.get('ips').strings(),
    ports: spec.get('ports').items().map(portFrom),
  }
}

function nodeFromApi(raw: Raw): Node {
  const spec = raw.get('spec')
  const podCIDRs = spec.get('podCIDRs').strings()
  const podCIDR = spec.get('podCIDR').string()
  const createdMs = Date.parse(raw.get('metadata').get('creationTimestamp').string())
  return {
    kind: 'Node',
    metadata: metaFrom(raw, 'cluster', 'all labels'),
    addresses: raw
      .get('status')
      .get('addresses')
      .items()
      .map(address => ({
        type: address.get('type').string(),
        address: address.get('address').string(),
      })),
    podCIDRs: podCIDRs.length > 0 || podCIDR === '' ? podCIDRs : [podCIDR],
    taints: spec
      .get('taints')
      .items()
      .map(taint => ({
        key: taint.get('key').string(),
        effect: taint.get('effect').string(),
      })),
    createdMs: Number.isNaN(createdMs) ? undefined : createdMs,
    deleting: !raw.get('metadata').get('deletionTimestamp').isAbsent,
  }
}

function podFromApi(raw: Raw): Pod {
  const spec = raw.get('spec')
  const status = raw.get('status')
  const podIPs = status
    .get('podIPs')
    .items()
    .map(item => item.get('ip').string())
  const podIP = status.get('podIP').string()
  const ready = status
    .get('conditions')
    .items()
    .some(
      condition =>
        condition.get('type').string() === 'Ready' && condition.get('status').string() === 'True',
    )
  return {
    kind: 'Pod',
    metadata: metaFrom(raw, 'namespace', 'all labels'),
    dnsPolicy: spec.get('dnsPolicy').string() || 'ClusterFirst',
    dnsConfig: dnsConfigFrom(spec.get('dnsConfig')),
    hostNetwork: spec.get('hostNetwork').boolean(),
    hostname: spec.get('hostname').string(),
    subdomain: spec.get('subdomain').string(),
    nodeName: spec.get('nodeName').string(),
    containerPorts: spec
      .get('containers')
      .items()
      .flatMap(container =>
        container
          .get('ports')
          .items()
          .map(port => ({
            name: port.get('name').string(),
            containerPort: port.get('containerPort').number(),
            protocol: port.get('protocol').oneOf(protocols, 'TCP'),
          })),
      ),
    phase: status.get('phase').string(),
    podIPs: podIPs.length > 0 || podIP === '' ? podIPs : [podIP],
    ready,
    deleting: !raw.get('metadata').get('deletionTimestamp').isAbsent,
  }
}

function dnsConfigFrom(raw: Raw): PodDnsConfig | undefined {
  if (raw.isAbsent) return undefined
  return {
    nameservers: raw.get('nameservers').strings(),
    searches: raw.get('searches').strings(),
    options: raw
      .get('options')
      .items()
      .map(option => ({
        name: option.get('name').string(),
        value: option.get('value').optionalString(),
      })),
  }
}
