import { isDeepStrictEqual } from 'node:util'
import { formatHostPort, type IpAddress, isLoopback } from '#net/ip.ts'
import type { ServicePortEndpoints } from './change-tracker.ts'

/** A UDP flow: where its first packet was sent, and where its answers come from. */
export type Flow = {
  readonly destination: IpAddress
  readonly destinationPort: number
  readonly replySource: IpAddress
  readonly replySourcePort: number
}

/** Where packets are sent: a port of an address, or a node port. */
export type Destination = { readonly address?: IpAddress; readonly port: number }

/** Where node ports answer on this node. */
export type NodePortPlaces = {
  /** Loopback addresses do not count among these. */
  readonly addresses: ReadonlySet<IpAddress>
  /** Every loopback address as well, of which there are too many to name (127.0.0.0/8). */
  readonly hasLoopback: boolean
}

/** Flows of one way through a Service: sent there, answered from there. */
export type FlowPath = { readonly destination: HostPort; readonly replySource: HostPort }
type HostPort = { readonly address: IpAddress; readonly port: number }

/** By `address:port`. */
type Endpoints = ReadonlyMap<string, HostPort>

/** One clean-up. */
export type CleanUp = {
  /** Must this flow be deleted? */
  readonly isStale: (flow: Flow) => boolean
  /** Flows to other destinations than these have not become stale since the clean-up before. */
  readonly destinations: readonly Destination[]
  /**
   * All paths of flows that have become stale since then; undefined where that cannot be told, as of new destinations and
   * of node ports on all of 127.0.0.0/8.
   */
  readonly stalePaths: readonly FlowPath[] | undefined
  /** It did not come to its end: the next one has to know of the same destinations. */
  readonly failed: () => void
}

/** By destination: `address:port`, or a node port's number alone. */
type Destinations = ReadonlyMap<string, Place>
type Place = { readonly destination: Destination; readonly endpoints: Endpoints }

/** `isNew`: no clean-up has seen this destination, or it was gone for a while. */
type Changed = { readonly destination: Destination; readonly isNew: boolean }

const NOWHERE: Destinations = new Map()

/**
 * Where Services are reached by UDP and which endpoints serve there, so which flows must not go on as they are. Whether
 * an endpoint is ready, terminating, near or allowed by a policy does not matter: as long as it serves, flows may stay.
 */
export class UdpDestinations {
  readonly #services = new Map<string, Destinations>()
  /** Several Services may claim a destination: which of them has it is the backend's affair. */
  readonly #current = new Map<string, Set<Endpoints>>()
  /** What destinations led to since the last clean-up began and, as far as they are gone, lead to no more. */
  #former = new Map<string, Endpoints>()
  /** Where something has changed since then. */
  #changed = new Map<string, Changed>()

  /** Takes in the UDP ports that a Service has now; true when flows may have become stale by it. */
  update(service: string, ports: readonly ServicePortEndpoints[]): boolean {
    const before = this.#services.get(service) ?? NOWHERE
    const after = destinationsOf(ports)
    if (isDeepStrictEqual(before, after)) return false
    for (const [key, { destination }] of [...before, ...after]) {
      this.#note(key, destination, !this.#current.has(key) && !this.#changed.has(key))
    }
    for (const [key, { endpoints }] of before) this.#remove(key, endpoints)
    for (const [key, { endpoints }] of after) {
      this.#current.set(key, (this.#current.get(key) ?? new Set()).add(endpoints))
    }
    if (after.size === 0) this.#services.delete(service)
    else this.#services.set(service, after)
    return true
  }

  #note(key: string, destination: Destination, isNew: boolean): void {
    const was = this.#changed.get(key)?.isNew ?? false
    this.#changed.set(key, { destination, isNew: isNew || was })
  }

  #remove(key: string, endpoints: Endpoints): void {
    const current = this.#current.get(key)
    current?.delete(endpoints)
    if (current?.size === 0) this.#current.delete(key)
    this.#remember(new Map([[key, endpoints]]))
  }

  /**
   * Begins a clean-up: gives what tells the flows to be deleted, and forgets the destinations that are gone, unless the
   * clean-up turns out to have failed.
   *
   * At a destination of a Service a flow is stale unless its answers come from a serving endpoint: also one that was
   * never translated, from the time before the Service; and, other than with kube-proxy, one of a Service without any
   * serving endpoint. At a destination that is gone a flow is stale when its answers come from an endpoint of then; with
   * kube-proxy such flows stay. A node port is one only at addresses of this node; kube-proxy deletes flows to that port
   * of any host.
   */
  begin(node: NodePortPlaces): CleanUp {
    const former = this.#former
    const changed = this.#changed
    this.#former = new Map()
    this.#changed = new Map()
    const isStale = (flow: Flow): boolean => {
      const { destination, destinationPort, replySource, replySourcePort } = flow
      const isKnown = (key: string) => this.#current.has(key) || former.has(key)
      const vip = formatHostPort(destination, destinationPort)
      const nodePort = String(destinationPort)
      const key = isKnown(vip) ? vip : nodePort
      if (key === nodePort && !(isKnown(key) && isPlace(node, destination))) return false
      const source = formatHostPort(replySource, replySourcePort)
      const current = this.#current.get(key)
      if (current === undefined) return former.get(key)?.has(source) ?? false
      return !current.values().some(endpoints => endpoints.has(source))
    }
    const failed = () => {
      this.#remember(former)
      for (const [key, { destination, isNew }] of changed) this.#note(key, destination, isNew)
    }
    const destinations = [...changed.values()].map(({ destination }) => destination)
    const stalePaths = this.#stalePaths(changed, former, node)
    return { isStale, destinations, stalePaths, failed }
  }

  #stalePaths(
    changed: ReadonlyMap<string, Changed>,
    former: ReadonlyMap<string, Endpoints>,
    { addresses, hasLoopback }: NodePortPlaces,
  ): readonly FlowPath[] | undefined {
    const paths: FlowPath[] = []
    for (const [key, { destination, isNew }] of changed) {
      // Nobody knows who answered there before.
      if (isNew) return undefined
      const current = [...(this.#current.get(key) ?? [])]
      const { address, port } = destination
      for (const [text, replySource] of former.get(key) ?? []) {
        if (current.some(endpoints => endpoints.has(text))) continue
        if (address === undefined && hasLoopback) return undefined
        for (const to of address === undefined ? addresses : [address]) {
          paths.push({ destination: { address: to, port }, replySource })
        }
      }
    }
    return paths
  }

  #remember(former: ReadonlyMap<string, Endpoints>): void {
    for (const [key, endpoints] of former) {
      this.#former.set(key, union(this.#former.get(key), endpoints))
    }
  }
}

const isPlace = ({ addresses, hasLoopback }: NodePortPlaces, address: IpAddress): boolean =>
  addresses.has(address) || (hasLoopback && isLoopback(address))

function destinationsOf(ports: readonly ServicePortEndpoints[]): Destinations {
  const places = new Map<string, Place>()
  for (const { clusterIP, externalIPs, loadBalancerVIPs, port, nodePort, endpoints } of ports) {
    const serving = new Map(
      endpoints
        .filter(endpoint => endpoint.serving)
        .map(({ address, port }) => [formatHostPort(address, port), { address, port }]),
    )
    const destinations = new Map<string, Destination>()
    for (const address of [clusterIP, ...externalIPs, ...loadBalancerVIPs]) {
      destinations.set(formatHostPort(address, port), { address, port })
    }
    if (nodePort !== 0) destinations.set(String(nodePort), { port: nodePort })
    for (const [key, destination] of destinations) {
      const others = places.get(key)?.endpoints
      places.set(key, { destination, endpoints: union(others, serving) })
    }
  }
  return places
}

const union = (some: Endpoints | undefined, others: Endpoints): Endpoints =>
  some === undefined ? others : new Map([...some, ...others])
