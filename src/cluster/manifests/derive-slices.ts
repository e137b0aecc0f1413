import { hash } from 'node:crypto'
import { familyOf, type IpAddress, type IpFamily, ipFamilies, parseIpLenient } from '#net/ip.ts'
import {
  type EndpointSlice,
  type Labels,
  type Pod,
  SERVICE_NAME_LABEL,
  type Service,
  type ServicePortSpec,
} from '../objects.ts'
import type { ObjectFilter } from '../selection.ts'
import { type ApiEndpoint, type ApiEndpointPort, MANAGED_BY_LABEL, makeSlice } from './api-slice.ts'

/** Endpoints in one slice (kube-controller-manager's `--max-endpoints-per-slice`). */
const MAX_ENDPOINTS = 100
const MANAGER = 'endpointslice-controller.k8s.io'
const HEADLESS_LABEL = 'service.kubernetes.io/headless'

/** What slices are derived from. */
export type Derivation = {
  readonly service: Service
  /** Labels of the Service that are not kept in it but are to be on its slices. */
  readonly labels?: Labels | undefined
  /** The Pods of its namespace that its selector matches. */
  readonly pods: readonly Pod[]
  /** The zone of a node, where it is known. */
  readonly zoneOf: (nodeName: string) => string | undefined
  /** Takes the slices that are wanted. */
  readonly filter: ObjectFilter
}

/**
 * The slices that the EndpointSlice controller would make for a Service with a selector: for each family one for every set
 * of port numbers that its Pods resolve the ports to, split where there are more than 100 endpoints; an empty slice where
 * there are no endpoints. What a Pod says moves no other Pod to another slice, but for the split of a full slice.
 * (Kubernetes, staging/src/k8s.io/endpointslice.) Differences: a Pod on a node that is not known counts, since a directory
 * need not hold Nodes; names depend on the content alone.
 */
export function deriveSlices(derivation: Derivation): readonly EndpointSlice[] {
  const { service, filter } = derivation
  const pods = derivation.pods.filter(hasEndpoint).sort(byName)
  const { name, namespace } = service.metadata
  const common = { service: name, namespace, labels: labelsFor(derivation) }
  return familiesOf(service, pods)
    .flatMap(family => groupByPorts(derivation, pods, family).map(group => ({ family, ...group })))
    .flatMap(({ family, ports, endpoints }) =>
      splitStably(endpoints).map(({ suffix, part }) =>
        makeSlice({ ...common, family, ports, endpoints: part, suffix }, filter),
      ),
    )
    .filter(slice => slice !== undefined)
}

/** Does the controller look at this Pod at all? */
const hasEndpoint = ({ phase, podIPs }: Pod): boolean =>
  phase !== 'Succeeded' && phase !== 'Failed' && podIPs.length > 0

const byName = (a: Pod, b: Pod) => (a.metadata.name < b.metadata.name ? -1 : 1)

/** The Service's labels, and those by which consumers know whose slice it is. */
function labelsFor({ service, labels }: Derivation): Labels {
  const { [HEADLESS_LABEL]: _, ...copied } = { ...service.metadata.labels, ...labels }
  const hasClusterIp = service.clusterIP !== 'None' && service.clusterIP !== ''
  return {
    ...copied,
    ...(hasClusterIp ? {} : { [HEADLESS_LABEL]: '' }),
    [SERVICE_NAME_LABEL]: service.metadata.name,
    [MANAGED_BY_LABEL]: MANAGER,
  }
}

/**
 * `ipFamilies`; where a manifest leaves them out, the families of the cluster IPs; for a headless Service those of its
 * Pods. (The API server fills in ipFamilies, so the controller need not ask.)
 */
function familiesOf(service: Service, pods: readonly Pod[]): readonly IpFamily[] {
  if (service.ipFamilies.length > 0) return [...new Set(service.ipFamilies)]
  const clusterIps = addressesOf([service.clusterIP, ...service.clusterIPs])
  const addresses =
    clusterIps.length > 0 ? clusterIps : addressesOf(pods.flatMap(pod => pod.podIPs))
  const families = new Set(addresses.map(familyOf))
  return families.size > 0 ? ipFamilies.filter(family => families.has(family)) : [4]
}

const addressesOf = (texts: readonly string[]): readonly IpAddress[] =>
  texts.map(parseIpLenient).filter(ip => ip !== undefined)

type PortGroup = {
  readonly ports: readonly ApiEndpointPort[]
  readonly endpoints: readonly ApiEndpoint[]
}

function groupByPorts(
  derivation: Derivation,
  pods: readonly Pod[],
  family: IpFamily,
): readonly PortGroup[] {
  const groups = new Map<string, { ports: readonly ApiEndpointPort[]; endpoints: ApiEndpoint[] }>()
  for (const pod of pods) {
    const addresses = addressesOf(pod.podIPs).filter(ip => familyOf(ip) === family)
    if (addresses.length === 0) continue
    const ports = portsOf(derivation.service, pod)
    const id = JSON.stringify(ports)
    const group = groups.get(id) ?? { ports, endpoints: [] }
    group.endpoints.push(endpointFrom(derivation, pod, addresses))
    groups.set(id, group)
  }
  return groups.size > 0 ? [...groups.values()] : [{ ports: [], endpoints: [] }]
}

function endpointFrom(
  { service, zoneOf }: Derivation,
  pod: Pod,
  addresses: readonly string[],
): ApiEndpoint {
  const isHostOfService = pod.hostname !== '' && pod.subdomain === service.metadata.name
  return {
    addresses,
    conditions: {
      ready: service.publishNotReadyAddresses || (pod.ready && !pod.deleting),
      serving: pod.ready,
      terminating: pod.deleting,
    },
    hostname: isHostOfService ? pod.hostname : undefined,
    nodeName: pod.nodeName || undefined,
    zone: zoneOf(pod.nodeName),
    targetRef: { kind: 'Pod', name: pod.metadata.name },
  }
}

/** The ports of the Service by their numbers in this Pod; without those whose name the Pod does not know. */
function portsOf(service: Service, pod: Pod): readonly ApiEndpointPort[] {
  return service.ports.flatMap(({ name, protocol, ...spec }) => {
    const port = targetPortOf({ name, protocol, ...spec }, pod)
    return port === undefined ? [] : [{ name, protocol, port }]
  })
}

function targetPortOf(
  { targetPort, protocol, port }: ServicePortSpec,
  pod: Pod,
): number | undefined {
  // The API server's default: absent, 0 and '' are the Service's own port.
  if (!targetPort) return port
  if (typeof targetPort === 'number') return targetPort
  return pod.containerPorts.find(
    candidate => candidate.name === targetPort && candidate.protocol === protocol,
  )?.containerPort
}

type Part = { readonly suffix: string; readonly part: readonly ApiEndpoint[] }

/** Splits what does not fit a slice by the hash of the Pod's name, bit for bit, so that each Pod's place is its own affair. */
function splitStably(endpoints: readonly ApiEndpoint[], bits = ''): readonly Part[] {
  if (endpoints.length <= MAX_ENDPOINTS) {
    return [{ suffix: bits === '' ? '' : `-${bits}`, part: endpoints }]
  }
  const sides = Map.groupBy(endpoints, ({ targetRef }) => bitOf(targetRef.name, bits.length))
  return [0, 1].flatMap(bit => splitStably(sides.get(bit) ?? [], `${bits}${bit}`))
}

/** Bit `index` of a hash of 256 bits. */
function bitOf(name: string, index: number): number {
  const digest = hash('sha256', name, 'buffer')
  return ((digest[index >> 3] ?? 0) >> (7 - (index & 7))) & 1
}
