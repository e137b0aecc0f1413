import type { Node } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { Place } from './topology.ts'

const ZONE_LABEL = 'topology.kubernetes.io/zone'

/** The zone by a Node's label; an empty label is no zone. */
export const zoneOf = (node: Node | undefined): string | undefined =>
  node?.metadata.labels[ZONE_LABEL] || undefined

/** Where this proxy runs, as its Node says it now: the zone may change while it runs. */
export class OwnPlace implements Place {
  readonly nodeName: string
  readonly #onMove: (() => void)[] = []
  #zone: string | undefined

  constructor({ nodeName, zone }: Place) {
    this.nodeName = nodeName
    this.#zone = zone
  }

  get zone(): string | undefined {
    return this.#zone
  }

  /** `listener` is called whenever the zone is another one. */
  onMove(listener: () => void): void {
    this.#onMove.push(listener)
  }

  moveTo(zone: string | undefined): void {
    if (zone === this.#zone) return
    this.#zone = zone
    for (const listener of this.#onMove) listener()
  }

  /** Follows the Node in the store until the signal is aborted. A Node that was deleted stays where it was. */
  async follow(store: StoreReader, signal: AbortSignal): Promise<void> {
    using feed = store.feed(['Node'])
    for (;;) {
      const batch = await feed.next(signal).catch(() => undefined)
      if (batch === undefined) return
      for (const { kind, key, after } of batch.changes) {
        if (kind === 'Node' && key === this.nodeName && after !== undefined) {
          this.moveTo(zoneOf(after))
        }
      }
    }
  }
}
