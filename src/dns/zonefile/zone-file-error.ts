import { NodeplaneError } from '#runtime/error.ts'

/** A zone file, or a record in its notation, cannot be read. The message begins with `file:line:` where that is known. */
export class ZoneFileError extends NodeplaneError {
  readonly code = 'ERR_DNS_ZONE_FILE'
}
