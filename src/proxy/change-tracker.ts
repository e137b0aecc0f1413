import { type EndpointSlice, keyOf, type Service } from '#cluster/objects.ts'
import type { Change } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { endpointsOf, type ProxyEndpoint } from './endpoint.ts'
import { countLocalReady, type HealthCheck } from './health-check/plan.ts'
import { type ServicePort, servicePortsOf } from './service-port.ts'
import type { ProxySettings } from './settings.ts'
import { sliceOwner } from './slice-owner.ts'
import { type Place, type SelectedEndpoints, selectEndpoints } from './topology.ts'

/** A service port and what it may use now: all a backend needs to know of it. */
export type ServicePortState = ServicePort & {
  readonly endpoints: SelectedEndpoints
  /** Usable or not. */
  readonly allEndpoints: readonly ProxyEndpoint[]
}

/** A service port and all its endpoints, usable or not. */
export type ServicePortEndpoints = ServicePort & { readonly endpoints: readonly ProxyEndpoint[] }

type TrackerOptions = Pick<ProxySettings, 'ignoresExternalIPs'>

/**
 * The Services and slices of one family, joined. Slices may come before their Service; they wait for it. What it says
 * depends on the objects it holds, not on the order they came in.
 */
export class ChangeTracker {
  readonly #family: IpFamily
  readonly #place: Place
  /** What takes the place of what Services say. */
  readonly #ignored: Partial<ServicePort>
  /** Those with ports in this family. */
  readonly #services = new Map<string, Service>()
  /** By Service. Most have one slice, so these are lists: a map for each would take more than what it leads to. */
  readonly #slices = new Map<string, readonly EndpointSlice[]>()

  constructor(family: IpFamily, place: Place, { ignoresExternalIPs = false }: TrackerOptions = {}) {
    this.#family = family
    this.#place = place
    this.#ignored = ignoresExternalIPs ? { externalIPs: [] } : {}
  }

  /** Takes in one change; gives the keys of the Services whose state may have changed by it. */
  apply(change: Change): readonly string[] {
    if (change.kind === 'Service') return this.#applyService(change.key, change.after)
    if (change.kind !== 'EndpointSlice') return []
    const owners = new Set<string>()
    const before = this.#ownerOf(change.before)
    if (before !== undefined) {
      this.#removeSlice(before, change.key)
      owners.add(before)
    }
    const after = this.#ownerOf(change.after)
    if (after !== undefined && change.after !== undefined) {
      // By concat, since V8 keeps room for 17 in a list that was added to.
      this.#slices.set(after, this.#slicesBut(after, change.key).concat(change.after))
      owners.add(after)
    }
    return [...owners]
  }

  /** Keys of all Services with ports in this family. */
  services(): Iterable<string> {
    return this.#services.keys()
  }

  /** The state of a Service's ports; empty when it is gone or not the proxy's business. */
  stateOf(service: string): readonly ServicePortState[] {
    const object = this.#services.get(service)
    if (object === undefined) return []
    const slices = this.#slicesFor(service)
    return servicePortsOf(object, this.#family).map(port => {
      const allEndpoints = endpointsOf(port, slices)
      // Which endpoints may be used goes by what the Service says, as in kube-proxy.
      const endpoints = selectEndpoints(port, allEndpoints, this.#place)
      return { ...port, ...this.#ignored, allEndpoints, endpoints }
    })
  }

  /** The ports of one protocol of a Service; empty when it has none, is gone or not the proxy's business. */
  endpointsOf(service: string, protocol: Protocol): readonly ServicePortEndpoints[] {
    const object = this.#services.get(service)
    if (!object?.ports.some(port => port.protocol === protocol)) return []
    const slices = this.#slicesFor(service)
    return servicePortsOf(object, this.#family)
      .filter(port => port.protocol === protocol)
      .map(port => ({ ...port, ...this.#ignored, endpoints: endpointsOf(port, slices) }))
  }

  /** What a load balancer may ask of this node about a Service; undefined when it does not ask. */
  healthCheckOf(service: string): HealthCheck | undefined {
    const object = this.#services.get(service)
    // Nearly all, and they are many when all rules have just been written.
    if (object === undefined || object.healthCheckNodePort === 0) return undefined
    const [first] = servicePortsOf(object, this.#family)
    if (first === undefined || first.healthCheckNodePort === 0) return undefined
    const { nodeName } = this.#place
    return {
      port: first.healthCheckNodePort,
      localEndpoints: countLocalReady(this.#slicesFor(service), { nodeName, family: this.#family }),
    }
  }

  #slicesFor(service: string): readonly EndpointSlice[] {
    return this.#slices.get(service) ?? []
  }

  #applyService(key: string, after: Service | undefined): readonly string[] {
    const hasPorts = after !== undefined && servicePortsOf(after, this.#family).length > 0
    if (!hasPorts && !this.#services.has(key)) return []
    if (hasPorts) this.#services.set(key, after)
    else this.#services.delete(key)
    return [key]
  }

  /** The Service a slice belongs to, or undefined when the slice is not for this tracker. */
  #ownerOf(slice: EndpointSlice | undefined): string | undefined {
    return slice?.addressType === `IPv${this.#family}` ? sliceOwner(slice) : undefined
  }

  #removeSlice(service: string, key: string): void {
    const rest = this.#slicesBut(service, key)
    if (rest.length === 0) this.#slices.delete(service)
    else this.#slices.set(service, rest)
  }

  #slicesBut(service: string, key: string): readonly EndpointSlice[] {
    return this.#slicesFor(service).filter(slice => keyOf(slice) !== key)
  }
}
