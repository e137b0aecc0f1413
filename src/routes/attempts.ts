import { describeError } from '#runtime/error.ts'

/** Something that did not get into the kernel; everything else went on. */
export type Failure = { readonly what: string; readonly reason: string }

/** Counts what is written, and collects what fails, so that one bad entry does not stop the others. */
export class Attempts {
  readonly failures: Failure[] = []
  #writes = 0

  /** Changes of the kernel that were made. */
  get writes(): number {
    return this.#writes
  }

  /** Makes one change of the kernel; false when it failed. */
  async write(what: string, change: () => Promise<unknown>): Promise<boolean> {
    const isDone = await this.step(what, change)
    if (isDone) this.noteWrite()
    return isDone
  }

  /** A change was made whose failure the caller does not outlive. */
  noteWrite(): void {
    this.#writes++
  }

  /** Takes a step that makes changes by {@link write}; false when it failed itself. */
  async step(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.failures.push({ what, reason: describeError(error) })
      return false
    }
  }
}
