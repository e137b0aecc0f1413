import { describeError, errnoCode } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { Pace } from '#runtime/pace.ts'
import type { Service } from '../objects.ts'
import type { Filters } from '../selection.ts'
import { Sharing } from '../share.ts'
import { type Listing, listManifests, readManifestFile } from './directory.ts'
import type { ManifestObject } from './manifest-object.ts'
import { ManifestError } from './parse-chunk.ts'
import { readManifests } from './read-manifests.ts'

export type ManifestFilesOptions = {
  readonly directory: string
  readonly filters: Filters
  readonly log: Logger
}

/** What a file says now: all of its objects, none when it is gone. */
export type FileState = { readonly file: string; readonly objects: readonly ManifestObject[] }

/** Work that may take long, and how it is done without holding up other work. */
type Work = { readonly pace: Pace; readonly signal: AbortSignal }

/** What became of a file: `broken` is read again when it is another, `unreadable` each time. */
type Outcome = readonly ManifestObject[] | 'broken' | 'unreadable'

/** The files of the directory: which of them changed, and what is wrong with them. */
export class ManifestFiles {
  readonly #options: ManifestFilesOptions
  /** Of each file, the version that was read last. */
  readonly #versions = new Map<string, string>()
  /** What was said to be wrong, by file. */
  readonly #problems = new Map<string, string>()
  #directoryProblem: string | undefined

  constructor(options: ManifestFilesOptions) {
    this.#options = options
  }

  /** What is in the directory now; undefined, and one line in the log, when that cannot be said. */
  async list(): Promise<Listing | undefined> {
    const { directory, log } = this.#options
    try {
      const listing = await listManifests(directory)
      if (this.#directoryProblem !== undefined)
        log.info({ directory }, 'manifest directory is back')
      this.#directoryProblem = undefined
      return listing
    } catch (error) {
      const problem = describeError(error)
      if (problem !== this.#directoryProblem) {
        log.error({ directory, problem }, 'manifest directory cannot be read')
      }
      this.#directoryProblem = problem
      return undefined
    }
  }

  /** The files that say something else than when they were last yielded. What is broken is logged once, and left out. */
  async *changed(listing: Listing, work: Work): AsyncGenerator<FileState> {
    for (const file of [...this.#versions.keys(), ...this.#problems.keys()]) {
      if (listing.has(file)) continue
      this.#versions.delete(file)
      this.#problems.delete(file)
      yield { file, objects: [] }
    }
    const sharing = new Sharing()
    for (const [file, version] of listing) {
      if (this.#versions.get(file) === version) continue
      const objects = await this.#read(file, { ...work, sharing })
      if (objects === 'unreadable') continue
      this.#versions.set(file, version)
      if (objects !== 'broken') yield { file, objects }
    }
  }

  async #read(file: string, work: Work & { readonly sharing: Sharing }): Promise<Outcome> {
    const { directory, filters, log } = this.#options
    try {
      const bytes = await readManifestFile(directory, file)
      const objects = await readManifests({ ...work, file, bytes, filters })
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
}

const lacksAddress = ({ type, clusterIP, clusterIPs }: Service): boolean =>
  type !== 'ExternalName' && clusterIP === '' && clusterIPs.length === 0

/** Codes of the system (ENOENT), not of Node (ERR_…). */
const isSystemError = (error: unknown): boolean => /^E[A-Z0-9]+$/.test(errnoCode(error) ?? '')
