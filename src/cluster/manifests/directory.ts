import type { BigIntStats } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoCode } from '#runtime/error.ts'
import { ManifestError } from './parse-chunk.ts'

/** The largest file that is read, in bytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** Names of the files with objects. Hidden ones are of editors, and of mounted ConfigMaps. */
const MANIFEST = /^[^.].*\.(yaml|yml|json)$/

/** The manifests of a directory, ascending by name, each with its version: text that is another when the file is. */
export type Listing = ReadonlyMap<string, string>

/**
 * Lists the manifests of a directory. Folders in it are not looked into, as `kubectl apply -f` does not without
 * `--recursive`.
 * @throws the error of the system, where the directory cannot be read.
 */
export async function listManifests(directory: string): Promise<Listing> {
  const names = (await readdir(directory)).filter(name => MANIFEST.test(name)).sort()
  const listing = new Map<string, string>()
  for (const name of names) {
    const version = await versionOfFile(join(directory, name))
    if (version !== undefined) listing.set(name, version)
  }
  return listing
}

/** Undefined for what is no file, or is gone by now. */
async function versionOfFile(path: string): Promise<string | undefined> {
  try {
    // Follows links: a ConfigMap's files are links that change their target.
    const stats = await stat(path, { bigint: true })
    return stats.isFile() ? versionFrom(stats) : undefined
  } catch (error) {
    // A link to nowhere counts as no file; what cannot be looked at is reported when it is read.
    return errnoCode(error) === 'ENOENT' ? undefined : String(errnoCode(error))
  }
}

const versionFrom = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats) =>
  [dev, ino, size, mtimeNs, ctimeNs].join(' ')

/**
 * The bytes of a file.
 * @throws {ManifestError} it is too large. @throws the error of the system, where it cannot be read.
 */
export async function readManifestFile(directory: string, name: string): Promise<Buffer> {
  await using file = await open(join(directory, name))
  const { size } = await file.stat()
  if (size > MAX_FILE_BYTES) {
    const message = `${size} bytes are more than ${MAX_FILE_BYTES}: split the file`
    throw new ManifestError({ file: name, message })
  }
  // Not file.readFile(): that collects pieces, and joins them at twice the memory.
  const bytes = Buffer.allocUnsafeSlow(size)
  let end = 0
  while (end < size) {
    const { bytesRead } = await file.read(bytes, end, size - end, end)
    // The file became shorter: another look will follow.
    if (bytesRead === 0) break
    end += bytesRead
  }
  return bytes.subarray(0, end)
}
