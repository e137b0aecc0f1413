import {
  type EndpointSlice,
  keyOf,
  type Labels,
  type Pod,
  SERVICE_NAME_LABEL,
  type Service,
  type ServicePortSpec,
} from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { hostAddresses } from '#net/host-addresses.ts'
import {
  familyOf,
  type IpAddress,
  type IpFamily,
  ipFamilies,
  isLoopback,
  parseIpUnmapped,
} from '#net/ip.ts'
import { ChangeTracker, type ServicePortState } from '#proxy/change-tracker.ts'
import { selectsLoopback } from '#proxy/nftables/localhost.ts'
import { nodePortPrefixes } from '#proxy/node-port-addresses.ts'
import type { Reached, ServiceFacts } from '../facts.ts'
import type { Surroundings } from './surroundings.ts'

/** Which Service, by which of its addresses; without an address by its cluster IPs. */
export type Asked = {
  readonly key: string
  readonly address?: IpAddress | undefined
  readonly by?: Reached['by'] | undefined
  /** The number of the port at the address, or the name of the Service's port; undefined: all. */
  readonly port?: number | string | undefined
}

/** The Service that answers at an address, if any. */
export function serviceAt(
  address: IpAddress,
  port: number | undefined,
  { store }: Pick<Surroundings, 'store'>,
): Asked | undefined {
  for (const service of store.list('Service')) {
    const by = addressKind(service, address)
    if (by !== undefined) return { key: keyOf(service), address, by, port }
  }
  const isOwn = isLoopback(address) || hostAddresses().some(own => own.address === address)
  for (const service of isOwn && port !== undefined ? store.list('Service') : []) {
    const has = service.ports.some(({ nodePort }) => nodePort === port)
    if (has) return { key: keyOf(service), address, by: 'node-port', port }
  }
  return endpointAt(address, port, store)
}

function addressKind(service: Service, address: IpAddress): Reached['by'] | undefined {
  const has = (texts: readonly (string | undefined)[]) =>
    texts.some(text => parseIpUnmapped(text ?? '') === address)
  if (has([service.clusterIP, ...service.clusterIPs])) return 'cluster-ip'
  if (has(service.externalIPs)) return 'external-ip'
  return has(service.loadBalancerIngress.map(({ ip }) => ip)) ? 'load-balancer' : undefined
}

/** A pod's own address: the Service that it stands behind. */
function endpointAt(
  address: IpAddress,
  port: number | undefined,
  store: StoreReader,
): Asked | undefined {
  for (const slice of store.list('EndpointSlice')) {
    const name = slice.metadata.labels[SERVICE_NAME_LABEL]
    const hasPort = port === undefined || slice.ports.some(each => each.port === port)
    const has = slice.endpoints.some(({ addresses }) => addresses.includes(address))
    if (name === undefined || !has || !hasPort) continue
    const portName = slice.ports.find(each => each.port === port)?.name
    return { key: `${slice.metadata.namespace}/${name}`, address, by: 'pod', port: portName }
  }
  return undefined
}

/** The facts of each port and each family that are asked about; one without a port where there is no such Service or port. */
export function serviceWays(
  asked: Asked,
  surroundings: Surroundings,
): readonly [ServiceFacts, ...ServiceFacts[]] {
  const { store } = surroundings
  const service = store.get('Service', asked.key)
  const slices = slicesOf(asked.key, store)
  const pods = service && podsOf(service, store)
  const common = { key: asked.key, service, slices, pods }
  if (service === undefined) return [common]
  const ways = familiesOf(service, asked).flatMap(family =>
    portsOf(service, asked).map(port =>
      way(
        { ...common, service, slices: slices.filter(ofFamily(family)), port },
        asked,
        family,
        surroundings,
      ),
    ),
  )
  const [first, ...others] = ways
  return first === undefined ? [common] : [first, ...others]
}

function way(
  facts: ServiceFacts & { readonly service: Service; readonly port: ServicePortSpec },
  { address, by = 'cluster-ip' }: Asked,
  family: IpFamily,
  { nodeName, settings }: Surroundings,
): ServiceFacts {
  const { service, port, slices } = facts
  const state = stateOf({ ...service, ports: [port] }, slices, family, {
    nodeName,
    zone: settings?.zone,
  })
  const target = address ?? state?.clusterIP
  if (target === undefined) return { ...facts, state }
  const number = by === 'node-port' ? port.nodePort : port.port
  const { nodePortAddresses = [], localhostNodePorts = false } = settings ?? {}
  const prefixes = nodePortPrefixes({ nodePortAddresses }, family)
  const hasLoopback = localhostNodePorts && selectsLoopback(prefixes, family)
  const reached = { by, address: target, port: number, family, nodePortAddresses, hasLoopback }
  return { ...facts, state, reached }
}

function stateOf(
  service: Service,
  slices: readonly EndpointSlice[],
  family: IpFamily,
  place: { nodeName: string; zone: string | undefined },
): ServicePortState | undefined {
  const tracker = new ChangeTracker(family, place)
  const key = keyOf(service)
  tracker.apply({ kind: 'Service', key, before: undefined, after: service })
  for (const slice of slices) {
    tracker.apply({ kind: 'EndpointSlice', key: keyOf(slice), before: undefined, after: slice })
  }
  return tracker.stateOf(key)[0]
}

function portsOf(service: Service, { port, by }: Asked): readonly ServicePortSpec[] {
  if (port === undefined) return service.ports
  return service.ports.filter(each =>
    typeof port === 'string' || by === 'pod'
      ? each.name === port
      : by === 'node-port'
        ? each.nodePort === port
        : each.port === port,
  )
}

/** Of the address, else of the cluster IPs, else of the slices. */
function familiesOf(service: Service, { address }: Asked): readonly IpFamily[] {
  if (address !== undefined) return [familyOf(address)]
  const ips = [service.clusterIP, ...service.clusterIPs].flatMap(
    text => parseIpUnmapped(text) ?? [],
  )
  const families = ipFamilies.filter(family => ips.some(ip => familyOf(ip) === family))
  if (families.length > 0) return families
  return service.ipFamilies.length > 0 ? service.ipFamilies : [4]
}

const ofFamily =
  (family: IpFamily) =>
  ({ addressType }: EndpointSlice): boolean =>
    addressType === `IPv${family}`

const slicesOf = (key: string, store: StoreReader): readonly EndpointSlice[] =>
  [...store.list('EndpointSlice')].filter(
    ({ metadata }) => `${metadata.namespace}/${metadata.labels[SERVICE_NAME_LABEL]}` === key,
  )

function podsOf({ selector, metadata }: Service, store: StoreReader): readonly Pod[] | undefined {
  if (selector === undefined || !store.isSynced('Pod')) return undefined
  const matches = (labels: Labels) =>
    Object.entries(selector).every(([name, value]) => labels[name] === value)
  return [...store.list('Pod')].filter(
    pod => pod.metadata.namespace === metadata.namespace && matches(pod.metadata.labels),
  )
}
