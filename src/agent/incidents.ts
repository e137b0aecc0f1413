import type { Clock } from '#runtime/clock.ts'
import type { LossSink } from '#runtime/loss.ts'
import { Counter, type Metrics } from '#runtime/metrics.ts'
import type { IncidentView } from './view/types.ts'

/** The newest ones are kept. */
const MAX_INCIDENTS = 200

/** What went wrong on this node, and when it was put right. */
export class Incidents {
  readonly #clock: Pick<Clock, 'now'>
  readonly #list: IncidentView[] = []

  readonly #total: Counter<'part'>

  constructor(clock: Pick<Clock, 'now'>, metrics: Metrics) {
    this.#clock = clock
    this.#total = new Counter({
      name: 'nodeplane_incidents_total',
      help: 'What went wrong on the node and was noticed, by the part of the agent',
      labelNames: ['part'],
      registers: [metrics],
    })
  }

  /** What a part tells its losses. */
  lossesOf(part: IncidentView['part']): LossSink {
    return ({ what, by }) => this.begin({ part, message: what, by })
  }

  /** Something went wrong. @returns what to call when it has been put right. */
  begin(incident: Pick<IncidentView, 'part' | 'message' | 'by'>): () => void {
    const begun: IncidentView = { atMs: this.#clock.now(), ...incident }
    this.#total.inc({ part: incident.part })
    this.#list.push(begun)
    if (this.#list.length > MAX_INCIDENTS) this.#list.shift()
    return () => {
      const index = this.#list.indexOf(begun)
      if (index >= 0) this.#list[index] = { ...begun, healedMs: this.#clock.now() }
    }
  }

  /** The oldest first. */
  list(): readonly IncidentView[] {
    return this.#list
  }
}
