import { describeError, errnoCode } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { Kind, ObjectOf, Service } from '../objects.ts'
import type { Filters } from '../selection.ts'
import { Sharing } from '../share.ts'
import type { StoreWriter } from '../store.ts'
import { DerivedSlices } from './derived-slices.ts'
import { type Listing, listManifests, readManifestFile } from './directory.ts'
import { type Conflict, Inventory, type InventoryChange } from './inventory.ts'
import type { ManifestObject } from './manifest-object.ts'
import { impliedNamespace, UsedNamespaces } from './namespaces.ts'
import type { Pace } from './pace.ts'
import { ManifestError } from './parse-chunk.ts'
import { readManifests } from './read-manifests.ts'

/** Conflicts that are told of one by one, for each change of the directory. */
const MAX_CONFLICTS_LOGGED = 10

type MirrorOptions = {
  readonly directory: string
  readonly filters: Filters
  readonly log: Logger
  readonly store: StoreWriter
}

/** Keeps a store like a directory, one look at a time. */
export class DirectoryMirror {
  readonly #options: MirrorOptions
  readonly #inventory = new Inventory()
  readonly #namespaces = new UsedNamespaces()
  readonly #derived: DerivedSlices
  /** Of each file, the version that was read last. */
  readonly #versions = new Map<string, string>()
  /** What is wrong with files, and with the directory itself (''). */
  readonly #problems = new Map<string, string>()
  #isSynced = false

  constructor(options: MirrorOptions) {
    this.#options = options
    this.#derived = new DerivedSlices(this.#inventory, options.filters.EndpointSlice)
  }

  /**
   * Reads what changed since the last look, and brings it into the store. Trouble is logged; what a file said before it
   * became unreadable goes on to count. Rejects only when it is stopped.
   */
  async look(pace: Pace): Promise<void> {
    const listing = await this.#list()
    if (listing === undefined) return
    const changes: InventoryChange[] = []
    const conflicts: Conflict[] = []
    const replace = async (file: string, objects: readonly ManifestObject[]) => {
      const update = await this.#inventory.replaceFile(file, objects, pace)
      for (const change of update.changes) changes.push(change)
      for (const conflict of update.conflicts) conflicts.push(conflict)
    }
    for (const file of [...this.#versions.keys(), ...this.#problems.keys()]) {
      if (listing.has(file)) continue
      this.#versions.delete(file)
      this.#problems.delete(file)
      await replace(file, [])
    }
    const sharing = new Sharing()
    for (const [file, version] of listing) {
      if (this.#versions.get(file) === version) continue
      const objects = await this.#read(file, pace, sharing)
      if (objects === 'unreadable') continue
      this.#versions.set(file, version)
      if (objects !== 'broken') await replace(file, objects)
    }
    this.#report(conflicts)
    await this.#publish(changes, pace)
  }

  async #list(): Promise<Listing | undefined> {
    const { directory, log } = this.#options
    try {
      const listing = await listManifests(directory)
      if (this.#problems.delete('')) log.info({ directory }, 'manifest directory can be read again')
      return listing
    } catch (error) {
      const problem = describeError(error)
      if (this.#problems.get('') !== problem) {
        log.error({ directory, problem }, 'manifest directory cannot be read')
      }
      this.#problems.set('', problem)
      return undefined
    }
  }

  /** `broken`: to be read again when it is another; `unreadable`: to be tried again. */
  async #read(
    file: string,
    pace: Pace,
    sharing: Sharing,
  ): Promise<readonly ManifestObject[] | 'broken' | 'unreadable'> {
    const { directory, filters, log } = this.#options
    try {
      const bytes = await readManifestFile(directory, file)
      const objects = await readManifests({ file, bytes, filters, pace, sharing })
      if (this.#problems.delete(file)) log.info({ file }, 'manifest file is right again')
      log.debug({ file, objects: objects.length }, 'manifest file read')
      this.#warnOfMissingAddresses(file, objects)
      return objects
    } catch (error) {
      if (error instanceof ManifestError) {
        this.#complain(file, error.message)
        return 'broken'
      }
      if (!isSystemError(error)) throw error
      // A file that vanished since it was listed is no trouble.
      if (errnoCode(error) !== 'ENOENT') this.#complain(file, `${file}: ${describeError(error)}`)
      return 'unreadable'
    }
  }

  /** Says once what is wrong. */
  #complain(file: string, problem: string): void {
    if (this.#problems.get(file) === problem) return
    this.#problems.set(file, problem)
    this.#options.log.error(
      { file, problem },
      'manifest file is broken; what it said before counts',
    )
  }

  /** An application's manifests have no cluster IPs: its API server gives them out. Here nobody does. */
  #warnOfMissingAddresses(file: string, objects: readonly ManifestObject[]): void {
    const services = objects.filter(
      ({ content }) => content.kind === 'Service' && lacksAddress(content.object),
    )
    if (services.length === 0) return
    const examples = services.slice(0, 3).map(({ key, line }) => `${key} (line ${line})`)
    this.#options.log.warn(
      { file, services: services.length, examples },
      'Services without spec.clusterIP have no address here: write one, or None',
    )
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
    const { store, filters, log } = this.#options
    const touched = await this.#touchedBy(changes, pace)
    for (const [kind, keys] of touched) await this.#publishKind(kind, keys, pace)
    if (this.#isSynced) return
    this.#isSynced = true
    for (const kind of Object.keys(filters) as Kind[]) {
      const keys = [...(touched.get(kind) ?? [])]
      store.replaceAll(
        kind,
        keys.map(key => this.#resolve(kind, key)).filter(object => object !== undefined),
      )
    }
    log.info({ files: this.#versions.size, changes: changes.length }, 'manifests loaded')
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

const lacksAddress = ({ type, clusterIP, clusterIPs }: Service): boolean =>
  type !== 'ExternalName' && clusterIP === '' && clusterIPs.length === 0

/** Codes of the system (ENOENT), not of Node (ERR_…). */
const isSystemError = (error: unknown): boolean => /^E[A-Z0-9]+$/.test(errnoCode(error) ?? '')
