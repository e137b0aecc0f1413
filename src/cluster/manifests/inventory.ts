import { isDeepStrictEqual } from 'node:util'
import type { Pace } from '#runtime/pace.ts'
import type { ContentOf, ManifestContent, ManifestKind, ManifestObject } from './manifest-object.ts'

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

/** All that say something of one object, in the order in which they count. */
type Claims = readonly ManifestObject[]

/**
 * All objects of the directory by their names. Where several files or documents have the same object the last one counts,
 * files in the order of their names: what `kubectl apply -f DIRECTORY` would leave behind.
 */
export class Inventory {
  readonly #files = new Map<string, readonly ManifestObject[]>()
  readonly #claims: { readonly [K in ManifestKind]: Map<string, Claims> } = {
    Service: new Map(),
    EndpointSlice: new Map(),
    Endpoints: new Map(),
    Node: new Map(),
    Namespace: new Map(),
    Pod: new Map(),
    ServiceCIDR: new Map(),
    ServiceImport: new Map(),
  }

  /** The object that counts. */
  get<K extends ManifestKind>(kind: K, key: string): ContentOf<K> | undefined {
    return this.#claims[kind].get(key)?.at(-1)?.content as ContentOf<K> | undefined
  }

  /**
   * Puts `objects` in the place of all that the file said before; none of them when the file is gone. Objects that did not
   * change stay the same in memory and are no change.
   */
  async replaceFile(file: string, objects: Claims, pace: Pace): Promise<FileUpdate> {
    const changes: InventoryChange[] = []
    const conflicts: Conflict[] = []
    const stated = Map.groupBy([...(this.#files.get(file) ?? []), ...objects], idOf)
    const isNew = new Set(objects)
    const kept: ManifestObject[] = []
    for (const claims of stated.values()) {
      await pace.breathe()
      const { key, content } = claims[0] as ManifestObject
      const before = this.#claims[content.kind].get(key) ?? []
      const now = claims.filter(claim => isNew.has(claim))
      const after = restate(before, file, now)
      if (after.length > 0) this.#claims[content.kind].set(key, after)
      else this.#claims[content.kind].delete(key)
      kept.push(...after.filter(claim => claim.file === file))
      const change = { key, before: before.at(-1)?.content, after: after.at(-1)?.content }
      if (change.before !== change.after) changes.push(change)
      if (after.length > 1 && filesOf(after) !== filesOf(before)) {
        conflicts.push({ object: idOf(after[0] as ManifestObject), places: after.map(placeOf) })
      }
    }
    if (kept.length > 0) this.#files.set(file, kept)
    else this.#files.delete(file)
    return { changes, conflicts }
  }
}

/** The claims to an object when `file` now says these. Content that is equal to the old one is the old one. */
function restate(before: Claims, file: string, stated: Claims): Claims {
  const after = [
    ...before.filter(claim => claim.file < file),
    ...stated,
    ...before.filter(claim => claim.file > file),
  ]
  const [last, known] = [after.at(-1), before.at(-1)]
  if (last !== undefined && known !== undefined && isDeepStrictEqual(last.content, known.content)) {
    after[after.length - 1] = { ...last, content: known.content }
  }
  return after
}

const idOf = ({ key, content }: ManifestObject) => `${content.kind} ${key}`

const placeOf = ({ file, line }: ManifestObject) => `${file}:${line}`

const filesOf = (claims: Claims) => claims.map(({ file }) => file).join('\n')
