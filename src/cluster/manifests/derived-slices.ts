import type { Pace } from '#runtime/pace.ts'
import {
  type EndpointSlice,
  keyOf,
  type Labels,
  type Pod,
  SERVICE_NAME_LABEL,
  type Service,
} from '../objects.ts'
import type { ObjectFilter } from '../selection.ts'
import { deriveSlices } from './derive-slices.ts'
import type { Inventory, InventoryChange } from './inventory.ts'
import { LabelIndex } from './label-index.ts'
import type { ManifestContent } from './manifest-object.ts'

const ZONE_LABEL = 'topology.kubernetes.io/zone'

/**
 * The EndpointSlices that nobody wrote: those that a cluster's controllers would have made from Pods and Endpoints. Kept up
 * to date Service by Service: only what a change can have to do with is derived again.
 */
export class DerivedSlices {
  readonly #inventory: Inventory
  readonly #filter: ObjectFilter | undefined
  readonly #slices = new Map<string, EndpointSlice>()
  readonly #keysOfService = new Map<string, readonly string[]>()
  /** Pods by all their labels; Services by the first label they select. */
  readonly #pods = new LabelIndex()
  readonly #selectors = new LabelIndex()
  /** How many slices the directory itself has for a Service. */
  readonly #written = new Map<string, number>()

  /** Without a filter, nothing is derived. */
  constructor(inventory: Inventory, filter: ObjectFilter | undefined) {
    this.#inventory = inventory
    this.#filter = filter
  }

  get(key: string): EndpointSlice | undefined {
    return this.#slices.get(key)
  }

  /** Follows changes that the inventory went through; gives the keys of the slices that may have changed. */
  async update(changes: readonly InventoryChange[], pace: Pace): Promise<readonly string[]> {
    if (this.#filter === undefined) return []
    for (const { key, before, after } of changes) {
      this.#index(key, before, -1)
      this.#index(key, after, 1)
    }
    const services = new Set<string>()
    for (const { key, before, after } of changes) {
      for (const service of this.#servicesOf(key, before)) services.add(service)
      for (const service of this.#servicesOf(key, after)) services.add(service)
    }
    const touched: string[] = []
    for (const service of services) {
      await pace.breathe()
      touched.push(...this.#derive(service, this.#filter))
    }
    return touched
  }

  #index(key: string, content: ManifestContent | undefined, step: 1 | -1): void {
    if (content?.kind === 'EndpointSlice') {
      for (const service of ownerOf(content.object)) {
        const count = (this.#written.get(service) ?? 0) + step
        if (count > 0) this.#written.set(service, count)
        else this.#written.delete(service)
      }
    } else if (content?.kind === 'Pod') {
      const { namespace, labels } = content.object.metadata
      if (step > 0) this.#pods.add(namespace, labels, key)
      else this.#pods.remove(namespace, labels, key)
    } else if (content?.kind === 'Service') {
      const { namespace } = content.object.metadata
      const first = Object.fromEntries(Object.entries(selectorOf(content.object)).slice(0, 1))
      if (step > 0) this.#selectors.add(namespace, first, key)
      else this.#selectors.remove(namespace, first, key)
    }
  }

  /** The Services whose slices may be others when this object comes, goes or changes. */
  #servicesOf(key: string, content: ManifestContent | undefined): Iterable<string> {
    switch (content?.kind) {
      case 'Service':
      case 'Endpoints':
        return [key]
      case 'EndpointSlice':
        return ownerOf(content.object)
      case 'Pod':
        return this.#selecting(content.object)
      case 'Node':
        // The zone of any endpoint may be another. Nodes are few and change rarely.
        return this.#keysOfService.keys()
      case 'Namespace':
      case 'ServiceCIDR':
      case 'ServiceImport':
      case undefined:
        return []
    }
  }

  #selecting({ metadata: { namespace, labels } }: Pod): readonly string[] {
    return this.#selectors
      .sets(namespace, labels)
      .flatMap(keys => [...keys])
      .filter(key => {
        const service = this.#inventory.get('Service', key)?.object
        return service !== undefined && selects(selectorOf(service), labels)
      })
  }

  #derive(serviceKey: string, filter: ObjectFilter): readonly string[] {
    const before = this.#keysOfService.get(serviceKey) ?? []
    const slices = this.#slicesOf(serviceKey, filter)
    const after = slices.map(keyOf)
    for (const key of before) this.#slices.delete(key)
    for (const slice of slices) this.#slices.set(keyOf(slice), slice)
    if (after.length > 0) this.#keysOfService.set(serviceKey, after)
    else this.#keysOfService.delete(serviceKey)
    return [...before, ...after]
  }

  #slicesOf(serviceKey: string, filter: ObjectFilter): readonly EndpointSlice[] {
    const content = this.#inventory.get('Service', serviceKey)
    if (content === undefined || content.object.type === 'ExternalName') return []
    const { object: service, sliceLabels: labels } = content
    if (Object.keys(selectorOf(service)).length === 0) {
      return this.#inventory.get('Endpoints', serviceKey)?.slices ?? []
    }
    const pods = this.#podsOf(service)
    // An export of a cluster without its Pods: the slices in it tell it all.
    if (pods.length === 0 && this.#written.has(serviceKey)) return []
    const zoneOf = (node: string) =>
      this.#inventory.get('Node', node)?.object.metadata.labels[ZONE_LABEL] || undefined
    return deriveSlices({ service, labels, pods, zoneOf, filter })
  }

  #podsOf(service: Service): readonly Pod[] {
    const selector = selectorOf(service)
    const sets = this.#pods.sets(service.metadata.namespace, selector)
    const smallest = sets.reduce((a, b) => (b.size < a.size ? b : a))
    return [...smallest]
      .map(key => this.#inventory.get('Pod', key)?.object)
      .filter(pod => pod !== undefined)
      .filter(pod => selects(selector, pod.metadata.labels))
  }
}

const selectorOf = ({ selector }: Service): Labels => selector ?? {}

const selects = (selector: Labels, labels: Labels): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value)

/** The key of the Service that a slice names, if it names one. */
function ownerOf({ metadata: { namespace, labels } }: EndpointSlice): readonly string[] {
  const service = labels[SERVICE_NAME_LABEL] ?? ''
  return service === '' ? [] : [`${namespace}/${service}`]
}
