import type { Labels } from '../objects.ts'

const none: ReadonlySet<string> = new Set()

/** Keys of objects by namespace and label. */
export class LabelIndex {
  /** One key stands for itself: most selectors are unique, and a Set takes ten times the room. */
  readonly #keys = new Map<string, string | Set<string>>()

  add(namespace: string, labels: Labels, key: string): void {
    for (const id of idsOf(namespace, labels)) {
      const keys = this.#keys.get(id)
      if (keys === undefined) this.#keys.set(id, key)
      else if (typeof keys === 'string') this.#keys.set(id, new Set([keys, key]))
      else keys.add(key)
    }
  }

  /** `labels` are those with which the key was added. */
  remove(namespace: string, labels: Labels, key: string): void {
    for (const id of idsOf(namespace, labels)) {
      const keys = this.#keys.get(id)
      if (typeof keys === 'object') keys.delete(key)
      if (keys === key || (typeof keys === 'object' && keys.size === 0)) this.#keys.delete(id)
    }
  }

  /** For each of the labels, the objects that have it. */
  sets(namespace: string, labels: Labels): readonly ReadonlySet<string>[] {
    return idsOf(namespace, labels).map(id => {
      const keys = this.#keys.get(id)
      return typeof keys === 'string' ? new Set([keys]) : (keys ?? none)
    })
  }
}

// Joined, not concatenated: V8 keeps the pieces of a concatenation.
const idsOf = (namespace: string, labels: Labels): readonly string[] =>
  Object.entries(labels).map(([name, value]) => [namespace, name, value].join('\n'))
