import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { serialize } from 'node:v8'
import { createGzip } from 'node:zlib'
import type { ClusterObject, Kind } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { Pace } from '#runtime/pace.ts'
import { encodeHeader, SnapshotError, type SnapshotHeader } from './format.ts'

export type WriteOptions = {
  readonly path: string
  readonly header: SnapshotHeader
  /** Has the kinds that the header names. */
  readonly store: Pick<StoreReader, 'list'>
  /** The file may not become larger. */
  readonly maxOctets: number
}

/** Octets that are given on at once. */
const CHUNK_OCTETS = 64 * 1024
/** The fastest: a snapshot is written often and read hardly ever. */
const GZIP_LEVEL = 1

/**
 * Writes a snapshot in place of the one that is there, which stays whole until the new one is on the disk. Only the owner can read
 * it. Other work goes on meanwhile; what changes then may or may not be in it.
 * @returns octets written. @throws {SnapshotError} it would be too large; the old one stays. @throws system errors.
 */
export async function writeSnapshot(options: WriteOptions, signal: AbortSignal): Promise<number> {
  const { path } = options
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // One writer a node: what a killed one left is overwritten.
  const temporary = `${path}.tmp`
  try {
    const { O_CREAT, O_TRUNC, O_WRONLY, O_NOFOLLOW } = constants
    await using file = await open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
    const octets = await writeTo(file, options, signal)
    await file.datasync()
    await rename(temporary, path)
    await syncFolder(folder)
    return octets
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeTo(
  file: FileHandle,
  { header, store, maxOctets }: WriteOptions,
  signal: AbortSignal,
): Promise<number> {
  const digest = createHash('sha256')
  let octets = 0
  const write = async (bytes: Buffer) => {
    signal.throwIfAborted()
    octets += bytes.length
    if (octets > maxOctets) {
      throw new SnapshotError(`it would be larger than ${maxOctets} octets`)
    }
    digest.update(bytes)
    await file.writeFile(bytes)
  }
  await write(encodeHeader(header))
  const kinds = Object.keys(header.selections) as readonly Kind[]
  const packed = createGzip({ level: GZIP_LEVEL })
  const unpacked = Readable.from(encodeObjects(store, kinds), { objectMode: false })
  // Errors of either come out of the loop.
  pipeline(unpacked, packed, () => undefined)
  for await (const chunk of packed) await write(chunk as Buffer)
  await file.writeFile(digest.digest())
  return octets
}

/** A few objects at a time, and never for long: DNS answers on this thread. */
async function* encodeObjects(
  store: Pick<StoreReader, 'list'>,
  kinds: readonly Kind[],
): AsyncGenerator<Buffer> {
  const pace = new Pace()
  let waiting: Buffer[] = []
  let octets = 0
  for (const kind of kinds) {
    for (const object of store.list(kind)) {
      const record = encodeObject(object)
      waiting.push(record)
      octets += record.length
      if (octets >= CHUNK_OCTETS) {
        yield Buffer.concat(waiting)
        waiting = []
        octets = 0
      }
      await pace.breathe()
    }
  }
  yield Buffer.concat(waiting)
}

function encodeObject(object: ClusterObject): Buffer {
  const fields = serialize(object)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(fields.length)
  return Buffer.concat([length, fields])
}

/** Else the new name may be gone after a power failure. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY)
  await handle.sync()
}
