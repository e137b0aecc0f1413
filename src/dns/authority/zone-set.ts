import type { TransferSource } from '../plugin.ts'
import type { ServedZone } from './answer.ts'
import { ZoneChanges } from './zone-changes.ts'
import type { ZoneData } from './zone-data.ts'

/** The zones of a plugin, in the versions that are served now. */
export class ZoneSet {
  readonly #zones = new Map<string, ServedZone>()
  readonly #changes = new ZoneChanges()

  get zones(): ReadonlyMap<string, ServedZone> {
    return this.#zones
  }

  /** Serves this version, or SERVFAIL without one, and tells who copies the zone. */
  set(name: string, zone: ServedZone): void {
    this.#zones.set(name, zone)
    if (zone.data !== undefined) this.#changes.changed(name)
  }

  data(name: string): ZoneData | undefined {
    return this.#zones.get(name)?.data
  }

  delete(name: string): void {
    this.#zones.delete(name)
  }

  /** For `transfer`. */
  get transfers(): TransferSource {
    return {
      zones: () => [...this.#zones.keys()],
      zone: name => {
        const data = this.data(name)
        return data && { soa: data.soa, records: data.records }
      },
      onChange: (listener, signal) => this.#changes.onChange(listener, signal),
    }
  }
}
