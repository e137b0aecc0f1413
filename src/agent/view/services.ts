import {
  type EndpointSlice,
  keyOf,
  SERVICE_NAME_LABEL,
  type Service,
  type ServicePortSpec,
} from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { servicePortKey } from '#proxy/service-port.ts'
import { Pace } from '#runtime/pace.ts'
import type { EndpointView, ServicePortView, ServiceView, TrafficView } from './types.ts'

type Traffic = ReadonlyMap<string, TrafficView>

/** All Services by their names, with how many endpoints each port has. Ten thousand take a while: others get their turn. */
export async function servicesView(store: StoreReader): Promise<readonly ServiceView[]> {
  const pace = new Pace()
  const slices = await slicesByService(store, pace)
  const views: ServiceView[] = []
  for (const service of store.list('Service')) {
    views.push(serviceView(service, slices.get(keyOf(service)) ?? []))
    await pace.breathe()
  }
  return views.toSorted((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name))
}

/** One Service; undefined where there is none of this name. */
export function oneService(store: StoreReader, key: string): ServiceView | undefined {
  const service = store.get('Service', key)
  return service && serviceView(service, slicesOf(store, key))
}

/** A Service with what went through its ports. */
export const withTraffic = (service: ServiceView, traffic: Traffic): ServiceView => ({
  ...service,
  ports: service.ports.map(port => ({ ...port, traffic: trafficOf(service, port, traffic) })),
})

/** What went through a port. */
export const trafficOf = (
  { namespace, name }: ServiceView,
  { name: portName, protocol }: ServicePortView,
  traffic: Traffic,
): TrafficView | undefined =>
  traffic.get(servicePortKey({ service: `${namespace}/${name}`, portName, protocol }))

/** Each port of each endpoint of one Service, as its slices have them. */
export const endpointsView = (store: StoreReader, key: string): readonly EndpointView[] =>
  slicesOf(store, key).flatMap(slice =>
    slice.endpoints.flatMap(endpoint =>
      endpoint.addresses.flatMap(address =>
        slice.ports.map(({ name, protocol, port }) => ({
          slice: slice.metadata.name,
          portName: name ?? '',
          protocol,
          address,
          port,
          ...endpoint.conditions,
          node: endpoint.nodeName,
          pod: endpoint.podName,
          zone: endpoint.zone,
        })),
      ),
    ),
  )

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))

function serviceView(service: Service, slices: readonly EndpointSlice[]): ServiceView {
  const { metadata, type, clusterIPs, externalIPs, externalName, ports } = service
  const ingress = service.loadBalancerIngress.flatMap(({ ip }) => ip ?? [])
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    type,
    clusterIPs: clusterIPs.length > 0 ? clusterIPs : [service.clusterIP].filter(ip => ip !== ''),
    externalIPs: [...externalIPs, ...ingress],
    ...(externalName === '' ? {} : { externalName }),
    ports: ports.map(port => portView(port, slices)),
  }
}

function portView(
  { name, protocol, port, nodePort }: ServicePortSpec,
  slices: readonly EndpointSlice[],
): ServicePortView {
  // An endpoint may be in several slices for a while.
  const all = new Set<string>()
  const ready = new Set<string>()
  for (const { ports, endpoints } of slices) {
    if (!ports.some(each => each.name === name && each.protocol === protocol)) continue
    for (const { addresses, conditions } of endpoints) {
      for (const address of addresses) {
        all.add(address)
        if (conditions.ready) ready.add(address)
      }
    }
  }
  return {
    name,
    protocol,
    port,
    ...(nodePort === 0 ? {} : { nodePort }),
    endpoints: all.size,
    ready: ready.size,
  }
}

const serviceKeyOf = ({ metadata }: EndpointSlice) =>
  `${metadata.namespace}/${metadata.labels[SERVICE_NAME_LABEL] ?? ''}`

const slicesOf = (store: StoreReader, key: string): readonly EndpointSlice[] =>
  [...store.list('EndpointSlice')].filter(slice => serviceKeyOf(slice) === key)

async function slicesByService(
  store: StoreReader,
  pace: Pace,
): Promise<ReadonlyMap<string, readonly EndpointSlice[]>> {
  const found = new Map<string, EndpointSlice[]>()
  for (const slice of store.list('EndpointSlice')) {
    const key = serviceKeyOf(slice)
    const known = found.get(key)
    if (known === undefined) found.set(key, [slice])
    else known.push(slice)
    await pace.breathe()
  }
  return found
}
