import { lookup } from '../../zone/lookup.ts'
import type { Outcome, ZoneQuestion } from '../../zone/outcome.ts'
import { isReverseZone } from '../../zone/reverse-name.ts'
import type { ZoneIndex } from '../../zone/zone-index.ts'
import type { ZoneOptions } from '../../zone/zone-options.ts'

/** What the answers of a zone are made from. */
export type ZoneView = { readonly index: ZoneIndex; readonly options: ZoneOptions }

/** The zones of one plugin: those of the cluster, and those of the set of clusters that it is in. */
export class ZoneViews {
  readonly #cluster: ZoneView
  readonly #clusterset: ZoneView | undefined
  readonly #multicluster: readonly string[]

  /** @param parts.multicluster the zones of the set of clusters; none without `imports`. */
  constructor(parts: {
    readonly index: ZoneIndex
    readonly imports: ZoneIndex | undefined
    readonly options: ZoneOptions
    readonly multicluster: readonly string[]
  }) {
    const { index, imports, options, multicluster } = parts
    this.#cluster = { index, options }
    const primaryZone = multicluster[0] ?? options.primaryZone
    this.#clusterset = imports && { index: imports, options: { ...options, primaryZone } }
    this.#multicluster = multicluster
  }

  /** @param zone lower case. */
  of(zone: string): ZoneView {
    return (this.#multicluster.includes(zone) ? this.#clusterset : undefined) ?? this.#cluster
  }

  /**
   * What the zones say. An address that is none of the cluster's may be one of the set of clusters (KEP 1645's DNS specification 2.3.3,
   * 2.4.3: where there is no PTR record yet); CoreDNS has no PTR records of that kind.
   */
  ask(question: ZoneQuestion): Outcome {
    const zone = question.zone.toLowerCase()
    const { index, options } = this.of(zone)
    const outcome = lookup(index, options, question)
    const further = this.#clusterset
    if (outcome.kind !== 'name-error' || further === undefined || !isReverseZone(zone))
      return outcome
    return lookup(further.index, further.options, question)
  }
}
