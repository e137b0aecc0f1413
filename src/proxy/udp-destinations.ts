import { isDeepStrictEqual } from 'node:util'
import { formatHostPort, type IpAddress } from '#net/ip.ts'
import type { ServicePortEndpoints } from './change-tracker.ts'

/** A UDP flow: where its first packet was sent, and where its answers come from. */
export type Flow = {
  readonly destination: IpAddress
  readonly destinationPort: number
  readonly replySource: IpAddress
  readonly replySourcePort: number
}

/** `address:port` texts. */
type Endpoints = ReadonlySet<string>

/** One clean-up. */
export type CleanUp = {
  /** Must this flow be deleted? */
  readonly isStale: (flow: Flow) => boolean
  /** It did not come to its end: the next one has to know of the same destinations. */
  readonly failed: () => void
}

/** By destination: `address:port`, or a node port's number alone. */
type Destinations = ReadonlyMap<string, Endpoints>

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
  #former = new Map<string, Set<string>>()

  /** Takes in the UDP ports that a Service has now; true when flows may have become stale by it. */
  update(service: string, ports: readonly ServicePortEndpoints[]): boolean {
    const before = this.#services.get(service) ?? NOWHERE
    const after = destinationsOf(ports)
    if (isDeepStrictEqual(before, after)) return false
    for (const [destination, endpoints] of before) this.#remove(destination, endpoints)
    for (const [destination, endpoints] of after) {
      this.#current.set(destination, (this.#current.get(destination) ?? new Set()).add(endpoints))
    }
    if (after.size === 0) this.#services.delete(service)
    else this.#services.set(service, after)
    return true
  }

  #remove(destination: string, endpoints: Endpoints): void {
    const current = this.#current.get(destination)
    current?.delete(endpoints)
    if (current?.size === 0) this.#current.delete(destination)
    this.#remember(new Map([[destination, endpoints]]))
  }

  /**
   * Begins a clean-up: gives what tells the flows to be deleted, and forgets the destinations that are gone, unless the
   * clean-up turns out to have failed.
   *
   * At a destination of a Service a flow is stale unless its answers come from a serving endpoint: also one that was
   * never translated, from the time before the Service; and, other than with kube-proxy, one of a Service without any
   * serving endpoint. At a destination that is gone a flow is stale when its answers come from an endpoint of then; with
   * kube-proxy such flows stay. A node port is one only at addresses for which `hasNodePorts` holds; kube-proxy deletes
   * flows to that port of any host.
   */
  begin(hasNodePorts: (address: IpAddress) => boolean): CleanUp {
    const former = this.#former
    this.#former = new Map()
    const isStale = (flow: Flow): boolean => {
      const { destination, destinationPort, replySource, replySourcePort } = flow
      const isKnown = (key: string) => this.#current.has(key) || former.has(key)
      const vip = formatHostPort(destination, destinationPort)
      const nodePort = String(destinationPort)
      const key = isKnown(vip) ? vip : nodePort
      if (key === nodePort && !(isKnown(key) && hasNodePorts(destination))) return false
      const source = formatHostPort(replySource, replySourcePort)
      const current = this.#current.get(key)
      if (current === undefined) return former.get(key)?.has(source) ?? false
      return !current.values().some(endpoints => endpoints.has(source))
    }
    return { isStale, failed: () => this.#remember(former) }
  }

  #remember(former: Destinations): void {
    for (const [destination, endpoints] of former) {
      this.#former.set(destination, (this.#former.get(destination) ?? new Set()).union(endpoints))
    }
  }
}

function destinationsOf(ports: readonly ServicePortEndpoints[]): Destinations {
  const destinations = new Map<string, Endpoints>()
  for (const { clusterIP, externalIPs, loadBalancerVIPs, port, nodePort, endpoints } of ports) {
    const serving = endpoints
      .filter(endpoint => endpoint.serving)
      .map(endpoint => formatHostPort(endpoint.address, endpoint.port))
    const keys = new Set(
      [clusterIP, ...externalIPs, ...loadBalancerVIPs].map(ip => formatHostPort(ip, port)),
    )
    if (nodePort !== 0) keys.add(String(nodePort))
    for (const key of keys) {
      destinations.set(key, (destinations.get(key) ?? new Set()).union(new Set(serving)))
    }
  }
  return destinations
}
