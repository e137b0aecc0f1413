import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { ZoneSet } from '../../authority/zone-set.ts'
import { isInZone, normalizeName } from '../../name.ts'
import { MAX_ZONE_OCTETS, readZoneText } from '../file/read-zone.ts'
import { WatchedFile } from '../watched-file.ts'
import { type AutoOptions, originOf } from './options.ts'

/** Zone files of one folder; more is a mistake. */
const MAX_FILES = 10_000

/** Serves the zone files of a folder and the folders in it, as they come and go. */
export class ZoneFolder {
  readonly #options: AutoOptions
  readonly #zones: ZoneSet
  readonly #log: Logger
  readonly #files = new Map<string, { readonly file: WatchedFile; readonly zone: string }>()
  #failure = ''

  constructor(options: AutoOptions, zones: ZoneSet, log: Logger) {
    this.#options = options
    this.#zones = zones
    this.#log = log
  }

  /** Makes the zones fit the files. Never rejects: what cannot be read is logged. */
  async look(): Promise<void> {
    const wanted = await this.#find()
    if (wanted === undefined) return
    for (const [path, { zone }] of this.#files) {
      if (wanted.get(path) === zone) continue
      this.#files.delete(path)
      if (![...this.#files.values()].some(other => other.zone === zone)) this.#zones.delete(zone)
    }
    for (const [path, zone] of wanted) {
      const known = this.#files.get(path) ?? { file: this.#open(path, zone), zone }
      this.#files.set(path, known)
      await known.file.look()
    }
  }

  /** Zone files and their zones, each zone once. */
  async #find(): Promise<ReadonlyMap<string, string> | undefined> {
    const { directory, zones } = this.#options
    try {
      const paths = (await readdir(directory, { recursive: true })).sort()
      const found = new Map<string, string>()
      const seen = new Set<string>()
      for (const path of paths.map(name => join(directory, name))) {
        const zone = normalizeName(originOf(this.#options, basename(path)) ?? '')
        if (zone === undefined || zone === '.' || !zones.some(outer => isInZone(zone, outer)))
          continue
        if (seen.has(zone) || found.size >= MAX_FILES) continue
        seen.add(zone)
        found.set(path, zone)
      }
      this.#failure = ''
      return found
    } catch (error) {
      const failure = describeError(error)
      if (failure !== this.#failure)
        this.#log.error({ directory, reason: failure }, 'auto: cannot be read')
      this.#failure = failure
      return undefined
    }
  }

  #open(path: string, zone: string): WatchedFile {
    const { fallthrough } = this.#options
    return new WatchedFile({
      path,
      intervalMs: 0,
      maxOctets: MAX_ZONE_OCTETS,
      onText: text => {
        const data = readZoneText({ text, path, origin: zone })
        if (this.#zones.data(zone)?.serial !== data.serial)
          this.#zones.set(zone, { data, fallthrough })
      },
      onFailure: reason => this.#log.error({ path, zone, reason }, 'auto: cannot be served'),
    })
  }
}
