import {
  type EndpointSlice,
  IMPORT_NAME_LABEL,
  keyOf,
  type Namespace,
  type Pod,
  SERVICE_NAME_LABEL,
  type Service,
  SOURCE_CLUSTER_LABEL,
} from '#cluster/objects.ts'
import type { Change } from '#cluster/store.ts'
import { type IpAddress, parseIp, parseIpLenient } from '#net/ip.ts'
import { importedService } from './imported-service.ts'
import { MultiMap } from './multi-map.ts'
import { SliceNode } from './slice-node.ts'
import { isVisibleChange } from './visible-part.ts'

/** A Service and its slices, each of which may be there without the other. */
export type ServiceNode = {
  readonly service: Service | undefined
  /** By name, so that answers do not depend on the order of events. */
  readonly slices: readonly SliceNode[]
}

/** The Services of a cluster, or those that it imports from a set of clusters (Multi-Cluster Services API, KEP 1645). */
export type ServicesOf = 'cluster' | 'clusterset'

const NO_NODE: ServiceNode = { service: undefined, slices: [] }

/**
 * The cluster by names and addresses. It is kept by changes: one object's change costs the records of that object. It
 * refers to the store's objects and copies nothing of them; records are made when they are asked for.
 */
export class ZoneIndex {
  readonly of: ServicesOf
  readonly #podNames: boolean
  readonly #namespaces = new Map<string, Namespace>()
  readonly #services = new Map<string, ServiceNode>()
  readonly #servicesByIp = new MultiMap<IpAddress, Service>()
  readonly #slicesByIp = new MultiMap<IpAddress, SliceNode>()
  readonly #pods = new Map<string, Pod>()
  readonly #podsByIp = new MultiMap<IpAddress, Pod>()
  #changedMs = 0

  /**
   * @param options.podNames name endpoints by their Pods (CoreDNS's `endpoint_pod_names`).
   * @param options.of whose Services: those of the cluster, or what it imports from a set of clusters.
   */
  constructor(options: { readonly podNames: boolean; readonly of?: ServicesOf }) {
    this.#podNames = options.podNames
    this.of = options.of ?? 'cluster'
  }

  /** When a Service or an endpoint last changed visibly, in seconds since the epoch; 0 before any: the serial of the SOA. */
  get serial(): number {
    return Math.floor(this.#changedMs / 1000)
  }

  namespace(name: string): Namespace | undefined {
    return this.#namespaces.get(name)
  }

  /** The Service of this key (`namespace/name`) and its slices; both may be missing. */
  service(key: string): ServiceNode {
    return this.#services.get(key) ?? NO_NODE
  }

  /** Every Service and every Service that slices name. */
  services(): Iterable<ServiceNode> {
    return this.#services.values()
  }

  /** Services with this cluster IP, by key. */
  servicesAt(address: IpAddress): readonly Service[] {
    return sortedByKey(this.#servicesByIp.get(address), keyOf)
  }

  /** Slices with a counted endpoint at this address, by key. */
  slicesAt(address: IpAddress): readonly SliceNode[] {
    return sortedByKey(this.#slicesByIp.get(address), ({ slice }) => keyOf(slice))
  }

  /** Pods with this address that have not ended. */
  podsAt(address: IpAddress): readonly Pod[] {
    return this.#podsByIp.get(address)
  }

  /** Takes in one change of the store, at `nowMs` since the epoch. */
  apply(change: Change, nowMs: number): void {
    switch (change.kind) {
      case 'Namespace':
        if (change.after === undefined) this.#namespaces.delete(change.key)
        else this.#namespaces.set(change.key, change.after)
        return
      case 'Pod':
        this.#replacePod(change.key, change.after)
        return
      case 'Service':
        if (this.of === 'clusterset') return
        this.#replaceService(change.key, change.after)
        if (isVisibleChange(change.before, change.after)) this.#changedMs = nowMs
        return
      case 'ServiceImport':
        if (this.of === 'cluster') return
        this.#replaceService(change.key, change.after && importedService(change.after))
        this.#changedMs = nowMs
        return
      case 'EndpointSlice':
        if (![change.before, change.after].some(slice => slice && this.#keyOf(slice))) return
        if (change.before !== undefined) this.#removeSlice(change.before)
        if (change.after !== undefined) this.#addSlice(change.after)
        if (isVisibleChange(change.before, change.after)) this.#changedMs = nowMs
        return
      // No name depends on these.
      case 'Node':
      case 'ServiceCIDR':
    }
  }

  #replaceService(key: string, after: Service | undefined): void {
    const { service: before, slices } = this.service(key)
    if (before !== undefined) {
      for (const ip of clusterIpsOf(before)) this.#servicesByIp.delete(ip, before)
    }
    if (after !== undefined) {
      for (const ip of clusterIpsOf(after)) this.#servicesByIp.add(ip, after)
    }
    this.#setNode(key, { service: after, slices })
  }

  /** What is taken out is the very object that was put in: `before` of a change may be an equal one. */
  #replacePod(key: string, after: Pod | undefined): void {
    const before = this.#pods.get(key)
    for (const ip of podAddresses(before)) this.#podsByIp.delete(ip, before as Pod)
    for (const ip of podAddresses(after)) this.#podsByIp.add(ip, after as Pod)
    if (after === undefined) this.#pods.delete(key)
    else this.#pods.set(key, after)
  }

  #addSlice(slice: EndpointSlice): void {
    const key = this.#keyOf(slice)
    if (key === undefined) return
    const cluster =
      this.of === 'clusterset' ? slice.metadata.labels[SOURCE_CLUSTER_LABEL] : undefined
    const added = new SliceNode(slice, { serviceKey: key, podNames: this.#podNames, cluster })
    const { service, slices } = this.service(key)
    // By concat: V8 keeps room for 17 in a list that was added to.
    const slicesWith = slices.concat(added).sort(bySliceName)
    this.#setNode(key, { service, slices: slicesWith })
    for (const ip of added.addresses()) this.#slicesByIp.add(ip, added)
  }

  #removeSlice(slice: EndpointSlice): void {
    const key = this.#keyOf(slice)
    if (key === undefined) return
    const { service, slices } = this.service(key)
    const removed = slices.find(node => node.slice.metadata.name === slice.metadata.name)
    if (removed === undefined) return
    this.#setNode(key, { service, slices: slices.filter(node => node !== removed) })
    for (const ip of removed.addresses()) this.#slicesByIp.delete(ip, removed)
  }

  #keyOf(slice: EndpointSlice): string | undefined {
    return this.of === 'cluster' ? serviceKeyOf(slice) : importKeyOf(slice)
  }

  #setNode(key: string, node: ServiceNode): void {
    if (node.service === undefined && node.slices.length === 0) this.#services.delete(key)
    else this.#services.set(key, node)
  }
}

/** The cluster IPs of a Service, canonical; none for headless and ExternalName Services. */
export function clusterIpsOf(service: Service): readonly IpAddress[] {
  if (service.type === 'ExternalName') return []
  const texts = service.clusterIPs.length > 0 ? service.clusterIPs : [service.clusterIP]
  return texts.map(parseIpLenient).filter(ip => ip !== undefined)
}

/** The key of the Service that a slice belongs to, or undefined when its label names none. */
export const serviceKeyOf = (slice: EndpointSlice): string | undefined =>
  labelledKey(slice, SERVICE_NAME_LABEL)

/** The same for the ServiceImport that it belongs to. */
export const importKeyOf = (slice: EndpointSlice): string | undefined =>
  labelledKey(slice, IMPORT_NAME_LABEL)

function labelledKey({ metadata }: EndpointSlice, label: string): string | undefined {
  const name = metadata.labels[label]
  return name === undefined ? undefined : `${metadata.namespace}/${name}`
}

function podAddresses(pod: Pod | undefined): readonly IpAddress[] {
  if (pod === undefined || (pod.phase !== 'Pending' && pod.phase !== 'Running')) return []
  return pod.podIPs.map(parseIp).filter(ip => ip !== undefined)
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const bySliceName = (a: SliceNode, b: SliceNode): number =>
  compareText(a.slice.metadata.name, b.slice.metadata.name)

const sortedByKey = <T>(values: readonly T[], key: (value: T) => string): readonly T[] =>
  values.length < 2 ? values : values.toSorted((a, b) => compareText(key(a), key(b)))
