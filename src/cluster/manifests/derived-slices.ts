import { type EndpointSlice, keyOf } from '../objects.ts'
import type { Inventory, InventoryChange } from './inventory.ts'

/** The EndpointSlices that nobody wrote: those that the cluster's controllers would have made. */
export class DerivedSlices {
  readonly #inventory: Inventory
  readonly #slices = new Map<string, EndpointSlice>()
  readonly #keysOfService = new Map<string, readonly string[]>()

  constructor(inventory: Inventory) {
    this.#inventory = inventory
  }

  get(key: string): EndpointSlice | undefined {
    return this.#slices.get(key)
  }

  keys(): Iterable<string> {
    return this.#slices.keys()
  }

  /** Follows changes of the inventory; gives the keys of the slices that may have changed. */
  update(changes: readonly InventoryChange[]): readonly string[] {
    const services = new Set(
      changes
        .filter(({ before, after }) =>
          ['Service', 'Endpoints'].includes((after ?? before)?.kind ?? ''),
        )
        .map(({ key }) => key),
    )
    return [...services].flatMap(key => this.#derive(key))
  }

  #derive(serviceKey: string): readonly string[] {
    const before = this.#keysOfService.get(serviceKey) ?? []
    const slices = this.#slicesOf(serviceKey)
    const after = slices.map(keyOf)
    for (const key of before) this.#slices.delete(key)
    for (const slice of slices) this.#slices.set(keyOf(slice), slice)
    if (after.length > 0) this.#keysOfService.set(serviceKey, after)
    else this.#keysOfService.delete(serviceKey)
    return [...before, ...after]
  }

  #slicesOf(serviceKey: string): readonly EndpointSlice[] {
    const service = this.#inventory.get('Service', serviceKey)?.object
    if (service === undefined || service.selector !== undefined) return []
    return this.#inventory.get('Endpoints', serviceKey)?.slices ?? []
  }
}
