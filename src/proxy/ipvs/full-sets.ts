import type { Member, SetKind } from './sets.ts'

/**
 * Sets that have taken all members that they can (65,536). What else there is to program does not wait for them: kube-proxy
 * goes on as well.
 */
export class FullSets {
  readonly #tell: (set: SetKind) => void
  readonly #full = new Set<SetKind>()
  readonly #told = new Set<SetKind>()

  /** @param tell called once when a set has become full. */
  constructor(tell: (set: SetKind) => void) {
    this.#tell = tell
  }

  /** Members were added, and these sets did not take them all. */
  noteAdded(members: readonly Member[], refused: ReadonlySet<SetKind>): void {
    for (const set of new Set(members.map(({ set }) => set))) {
      if (refused.has(set)) this.#noteFull(set)
      else {
        this.#full.delete(set)
        this.#told.delete(set)
      }
    }
  }

  /** Members were removed: the next look finds what there is room for now. */
  noteRemoved(members: readonly Member[]): void {
    for (const { set } of members) this.#full.delete(set)
  }

  /** Those of the missing members that can be added. */
  addable(missing: readonly Member[]): readonly Member[] {
    return missing.filter(({ set }) => !this.#full.has(set))
  }

  #noteFull(set: SetKind): void {
    this.#full.add(set)
    if (this.#told.has(set)) return
    this.#told.add(set)
    this.#tell(set)
  }
}
