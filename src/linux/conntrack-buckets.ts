import { readFileSync, writeFileSync } from 'node:fs'

/** A module parameter: the sysctl of this name is read-only. */
const HASHSIZE = '/sys/module/nf_conntrack/parameters/hashsize'

/**
 * Makes the hash table of conntrack have at least so many buckets; a larger one stays.
 * @throws the system error: the module is not loaded (ENOENT), or /sys is read-only (EROFS).
 */
export function raiseConntrackBuckets(buckets: number): void {
  if (Number(readFileSync(HASHSIZE, 'utf8')) < buckets) {
    writeFileSync(HASHSIZE, String(buckets), { flag: 'r+' })
  }
}
