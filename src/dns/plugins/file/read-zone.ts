import { readFileSync, statSync } from 'node:fs'
import { ZoneData } from '../../authority/zone-data.ts'
import { parseZoneFile } from '../../zonefile/zone-file.ts'
import { FileTooLargeError } from '../watched-file.ts'

/** Octets of a zone file, and of each that it includes. */
export const MAX_ZONE_OCTETS = 64 * 1024 * 1024

/** The zone in a text. @throws {ZoneFileError} */
export const readZoneText = (source: {
  readonly text: string
  readonly path: string
  readonly origin: string
}): ZoneData => new ZoneData(source.origin, parseZoneFile(source, readIncluded))

/** Read synchronously: included files are small, and are read at start and reload only. */
function readIncluded(path: string): string {
  const { size } = statSync(path)
  if (size > MAX_ZONE_OCTETS) {
    throw new FileTooLargeError(
      `${path} has ${size} octets, more than the limit of ${MAX_ZONE_OCTETS}`,
    )
  }
  return readFileSync(path, 'utf8')
}
