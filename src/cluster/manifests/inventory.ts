import { isDeepStrictEqual } from 'node:util'
import type { ContentOf, ManifestContent, ManifestKind, ManifestObject } from './manifest-object.ts'
import type { Pace } from './pace.ts'

/** What became of one object of the directory. */
export type InventoryChange = {
  readonly key: string
  readonly before: ManifestContent | undefined
  readonly after: ManifestContent | undefined
}

/** An object that stands in several places, the last of which counts. */
export type Conflict = { readonly object: string; readonly places: readonly string[] }

export type FileUpdate = {
  readonly changes: readonly InventoryChange[]
  /** Those that were not there before. */
  readonly conflicts: readonly Conflict[]
}

/**
 * All objects of the directory by their names. Where several files or documents have the same object the last one counts,
 * files in the order of their names: what `kubectl apply -f DIRECTORY` would leave behind.
 */
export class Inventory {
  /** The ids of the objects of each file. */
  readonly #files = new Map<string, ReadonlySet<string>>()
  /** All that say something of an object, in the order in which they count. */
  readonly #claims = new Map<string, readonly ManifestObject[]>()

  /** The object that counts. */
  get<K extends ManifestKind>(kind: K, key: string): ContentOf<K> | undefined {
    return this.#claims.get(`${kind} ${key}`)?.at(-1)?.content as ContentOf<K> | undefined
  }

  /** The files that have objects. */
  get files(): Iterable<string> {
    return this.#files.keys()
  }

  /**
   * Puts `objects` in the place of all that the file said before; none of them when the file is gone. Objects that did not
   * change stay the same in memory and are no change.
   */
  async replaceFile(
    file: string,
    objects: readonly ManifestObject[],
    pace: Pace,
  ): Promise<FileUpdate> {
    const changes: InventoryChange[] = []
    const conflicts: Conflict[] = []
    const stated = Map.groupBy(objects, idOf)
    for (const id of new Set([...(this.#files.get(file) ?? []), ...stated.keys()])) {
      await pace.breathe()
      const before = this.#claims.get(id) ?? []
      const after = this.#restate(id, file, stated.get(id) ?? [])
      const [last, next] = [before.at(-1), after.at(-1)]
      if (last?.content !== next?.content) {
        const key = (next ?? last)?.key ?? ''
        changes.push({ key, before: last?.content, after: next?.content })
      }
      if (after.length > 1 && filesOf(after) !== filesOf(before)) {
        conflicts.push({ object: id, places: after.map(({ file, line }) => `${file}:${line}`) })
      }
    }
    if (stated.size > 0) this.#files.set(file, new Set(stated.keys()))
    else this.#files.delete(file)
    return { changes, conflicts }
  }

  #restate(id: string, file: string, stated: readonly ManifestObject[]): readonly ManifestObject[] {
    const before = this.#claims.get(id) ?? []
    const after = [
      ...before.filter(claim => claim.file < file),
      ...stated,
      ...before.filter(claim => claim.file > file),
    ]
    const last = after.at(-1)
    const known = before.at(-1)?.content
    if (last === undefined) {
      this.#claims.delete(id)
      return []
    }
    if (isDeepStrictEqual(last.content, known)) {
      after[after.length - 1] = { ...last, content: known as ManifestContent }
    }
    this.#claims.set(id, after)
    return after
  }
}

const idOf = ({ key, content }: ManifestObject) => `${content.kind} ${key}`

const filesOf = (claims: readonly ManifestObject[]) => claims.map(({ file }) => file).join('\n')
