import { Pace } from '#runtime/pace.ts'
import type { Kind, ObjectOf } from '../objects.ts'
import type { StoreWriter } from '../store.ts'
import { DerivedSlices } from './derived-slices.ts'
import { type Conflict, Inventory, type InventoryChange } from './inventory.ts'
import { ManifestFiles, type ManifestFilesOptions } from './manifest-files.ts'
import { impliedNamespace, UsedNamespaces } from './namespaces.ts'

/** Conflicts that are told of one by one, for each change of the directory. */
const MAX_CONFLICTS_LOGGED = 10

export type MirrorOptions = ManifestFilesOptions & { readonly store: StoreWriter }

/** Keeps a store like a directory, one look at a time. */
export class DirectoryMirror {
  readonly #options: MirrorOptions
  readonly #inventory = new Inventory()
  readonly #namespaces = new UsedNamespaces()
  readonly #derived: DerivedSlices
  readonly #files: ManifestFiles
  #isSynced = false

  constructor(options: MirrorOptions) {
    this.#options = options
    this.#files = new ManifestFiles(options)
    this.#derived = new DerivedSlices(this.#inventory, options.filters.EndpointSlice)
  }

  /**
   * Reads what changed since the last look, and brings it into the store. Trouble is logged; what a file said before it
   * became unreadable goes on to count. Rejects only when it is stopped.
   */
  async look(signal: AbortSignal): Promise<void> {
    const pace = new Pace()
    const listing = await this.#files.list()
    if (listing === undefined) return
    const changes: InventoryChange[] = []
    const conflicts: Conflict[] = []
    for await (const { file, objects } of this.#files.changed(listing, { pace, signal })) {
      const update = await this.#inventory.replaceFile(file, objects, pace)
      for (const change of update.changes) changes.push(change)
      for (const conflict of update.conflicts) conflicts.push(conflict)
    }
    this.#report(conflicts)
    await this.#publish(changes, pace)
    if (this.#isSynced) return
    this.#isSynced = true
    this.#options.log.info({ files: listing.size, objects: changes.length }, 'manifests loaded')
  }

  #report(conflicts: readonly Conflict[]): void {
    const { log } = this.#options
    for (const { object, places } of conflicts.slice(0, MAX_CONFLICTS_LOGGED)) {
      log.warn({ object, places, used: places.at(-1) }, 'object stands in several places')
    }
    const more = conflicts.length - MAX_CONFLICTS_LOGGED
    if (more > 0) log.warn({ objects: more }, 'more objects stand in several places')
  }

  async #publish(changes: readonly InventoryChange[], pace: Pace): Promise<void> {
    const { store, filters } = this.#options
    const touched = await this.#touchedBy(changes, pace)
    // Services last: a consumer that looks in between must not find one without the endpoints that came with it.
    const { Service, ...others } = Object.fromEntries(touched)
    for (const [kind, keys] of Object.entries({ ...others, Service })) {
      if (keys !== undefined) await this.#publishKind(kind as Kind, keys, pace)
    }
    if (this.#isSynced) return
    for (const kind of Object.keys(filters) as Kind[]) {
      const keys = [...(touched.get(kind) ?? [])]
      store.replaceAll(
        kind,
        keys.map(key => this.#resolve(kind, key)).filter(object => object !== undefined),
      )
    }
  }

  async #publishKind(kind: Kind, keys: ReadonlySet<string>, pace: Pace): Promise<void> {
    const { store } = this.#options
    const gone: string[] = []
    for (const key of keys) {
      await pace.breathe()
      const object = this.#resolve(kind, key)
      if (object === undefined) gone.push(key)
      else store.set(kind, object)
    }
    // Last, so that a slice that takes another's place is there before that one goes.
    for (const key of gone) store.delete(kind, key)
  }

  /** The objects that may be others now, of the kinds that are wanted. */
  async #touchedBy(
    changes: readonly InventoryChange[],
    pace: Pace,
  ): Promise<ReadonlyMap<Kind, ReadonlySet<string>>> {
    const touched = new Map(
      Object.keys(this.#options.filters).map(kind => [kind as Kind, new Set<string>()]),
    )
    for (const { key, before, after } of changes) {
      const kind = (after ?? before)?.kind
      if (kind !== undefined && kind !== 'Endpoints') touched.get(kind)?.add(key)
    }
    for (const key of await this.#derived.update(changes, pace))
      touched.get('EndpointSlice')?.add(key)
    for (const name of this.#namespaces.update(changes)) touched.get('Namespace')?.add(name)
    return touched
  }

  /** The object as consumers shall see it: what is written down comes before what is derived. */
  #resolve<K extends Kind>(kind: K, key: string): ObjectOf[K] | undefined {
    const written = this.#inventory.get(kind, key)
    if (written !== undefined)
      return written.isSelected ? (written.object as ObjectOf[K]) : undefined
    return this.#derivedObject(kind, key) as ObjectOf[K] | undefined
  }

  #derivedObject(kind: Kind, key: string): ObjectOf[Kind] | undefined {
    if (kind === 'EndpointSlice') return this.#derived.get(key)
    const isUsed = kind === 'Namespace' && this.#namespaces.has(key)
    return isUsed ? impliedNamespace(key, this.#options.filters) : undefined
  }
}
