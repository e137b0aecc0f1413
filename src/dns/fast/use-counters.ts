import { COUNTERS_PER_SLOT } from './table-memory.ts'

/** Octets before the counters: the time that answering took, and the number of answers. */
const HEAD_OCTETS = 16

/** How often each slot was used, counted by one worker and read by the thread that writes the table. */
export class UseCounters {
  readonly memory: SharedArrayBuffer
  /** By slot, clients of IPv4 and then of IPv6. They run over; only differences mean something. */
  readonly uses: Uint32Array
  /** Milliseconds spent, summed over all uses. */
  readonly #sums: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.uses = new Uint32Array(memory, HEAD_OCTETS)
    this.#sums = new Float64Array(memory, 0, 2)
  }

  static forSlots(slots: number): UseCounters {
    return new UseCounters(new SharedArrayBuffer(HEAD_OCTETS + slots * COUNTERS_PER_SLOT * 4))
  }

  get busyMs(): number {
    return this.#sums[0] as number
  }

  get total(): number {
    return this.#sums[1] as number
  }

  used(slot: number, isIpv4: boolean): void {
    const at = slot * COUNTERS_PER_SLOT + (isIpv4 ? 0 : 1)
    this.uses[at] = (this.uses[at] as number) + 1
  }

  /** So many answers took so long, each. */
  spent(ms: number, answers: number): void {
    const sums = this.#sums
    sums[0] = (sums[0] as number) + ms * answers
    sums[1] = (sums[1] as number) + answers
  }
}
