import { type Kind, keyOf } from '#cluster/objects.ts'
import type { Store } from '#cluster/store.ts'
import type { ReadSnapshot } from './read.ts'

/**
 * Puts a snapshot's objects into the store and then calls their kinds listed, except for kinds that the source has listed
 * meanwhile: it knows better. Objects of the snapshot that are gone disappear with the source's list.
 * @param wanted the kinds to be restored.
 * @returns the kinds that are from the snapshot now, and how many objects.
 * @throws {SnapshotError} what was read until then stays, but no kind is called listed.
 */
export async function restore(
  { objects }: Pick<ReadSnapshot, 'objects'>,
  { store, wanted, hasListed }: RestoreInto,
): Promise<{ readonly kinds: readonly Kind[]; readonly objects: number }> {
  let count = 0
  for await (const object of objects()) {
    if (!wanted.has(object.kind) || hasListed(object.kind)) continue
    // What the source has sent of a list that is not complete is newer.
    if (store.get(object.kind, keyOf(object)) !== undefined) continue
    store.set(object.kind, object)
    count++
  }
  const kinds = [...wanted].filter(kind => !hasListed(kind))
  for (const kind of kinds) store.markListed(kind)
  return { kinds, objects: count }
}

export type RestoreInto = {
  readonly store: Store
  readonly wanted: ReadonlySet<Kind>
  readonly hasListed: (kind: Kind) => boolean
}
