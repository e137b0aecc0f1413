import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { deserialize } from 'node:v8'
import { createGunzip } from 'node:zlib'
import type { ClusterObject } from '#cluster/objects.ts'
import { Sharing } from '#cluster/share.ts'
import { describeError, errnoCode } from '#runtime/error.ts'
import { Pace } from '#runtime/pace.ts'
import {
  DIGEST_OCTETS,
  decodeHeader,
  MAX_HEADER_OCTETS,
  MAX_OBJECT_OCTETS,
  SnapshotError,
  type SnapshotHeader,
} from './format.ts'

/** A snapshot that is whole. */
export type ReadSnapshot = AsyncDisposable & {
  readonly header: SnapshotHeader
  /** To be read once. @throws {SnapshotError} */
  readonly objects: () => AsyncGenerator<ClusterObject>
}

/** What objects may take once unpacked. */
const MAX_UNPACKED_OCTETS = 1024 ** 3

/**
 * Opens a snapshot and checks all of it, before anything of it is used; undefined when there is none.
 * @throws {SnapshotError} it is damaged, too large, of another version, or somebody else's.
 */
export async function openSnapshot(
  path: string,
  maxOctets: number,
): Promise<ReadSnapshot | undefined> {
  const file = await openFile(path)
  if (file === undefined) return undefined
  await using opened = new AsyncDisposableStack()
  opened.use(file)
  const size = await checkOwner(file, maxOctets)
  await checkDigest(file, size)
  const first = Buffer.alloc(Math.min(size, MAX_HEADER_OCTETS))
  await file.read({ buffer: first, position: 0 })
  const end = first.indexOf(0x0a)
  if (end === -1) throw new SnapshotError('it has no first line')
  const header = decodeHeader(first.subarray(0, end))
  const handle = opened.move()
  const body = { start: end + 1, end: size - DIGEST_OCTETS }
  return {
    header,
    objects: () => readObjects(file, body),
    [Symbol.asyncDispose]: () => handle.disposeAsync(),
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw new SnapshotError('it cannot be opened', { cause: error })
  }
}

/** Gives the size. Who can write the file decides where this node's packets go. */
async function checkOwner(file: FileHandle, maxOctets: number): Promise<number> {
  const stat = await file.stat()
  if (!stat.isFile()) throw new SnapshotError('it is no file')
  if (stat.uid !== process.geteuid?.()) throw new SnapshotError(`it belongs to user ${stat.uid}`)
  if ((stat.mode & 0o022) !== 0) throw new SnapshotError('others than its owner may write it')
  if (stat.size > maxOctets) throw new SnapshotError(`it is larger than ${maxOctets} octets`)
  if (stat.size <= DIGEST_OCTETS) throw new SnapshotError('it is cut off')
  return stat.size
}

async function checkDigest(file: FileHandle, size: number): Promise<void> {
  const digest = createHash('sha256')
  for await (const chunk of chunksOf(file, { start: 0, end: size - DIGEST_OCTETS })) {
    digest.update(chunk)
  }
  const written = Buffer.alloc(DIGEST_OCTETS)
  await file.read({ buffer: written, position: size - DIGEST_OCTETS })
  if (!digest.digest().equals(written)) throw new SnapshotError('it is damaged: its digest differs')
}

type Range = { readonly start: number; readonly end: number }

const chunksOf = (file: FileHandle, { start, end }: Range) =>
  file.createReadStream({ start, end: end - 1, autoClose: false })

async function* readObjects(file: FileHandle, range: Range): AsyncGenerator<ClusterObject> {
  const pace = new Pace()
  const sharing = new Sharing({ keepsTexts: true })
  try {
    for await (const record of recordsOf(file, range)) {
      yield sharing.share(deserialize(record) as ClusterObject)
      await pace.breathe()
    }
  } catch (error) {
    if (error instanceof SnapshotError) throw error
    throw new SnapshotError(`it cannot be unpacked: ${describeError(error)}`)
  }
}

/** The octets of each object. */
async function* recordsOf(file: FileHandle, range: Range): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  let octets = 0
  const unpacked = createGunzip()
  // Errors of either come out of the loop.
  pipeline(chunksOf(file, range), unpacked, () => undefined)
  for await (const chunk of unpacked) {
    octets += (chunk as Buffer).length
    if (octets > MAX_UNPACKED_OCTETS) throw new SnapshotError('it unpacks to more than it can be')
    rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer])
    let at = 0
    while (rest.length >= at + 4) {
      const length = rest.readUInt32BE(at)
      if (length > MAX_OBJECT_OCTETS)
        throw new SnapshotError(`it has an object of ${length} octets`)
      if (rest.length < at + 4 + length) break
      yield rest.subarray(at + 4, at + 4 + length)
      at += 4 + length
    }
    rest = rest.subarray(at)
  }
  if (rest.length > 0) throw new SnapshotError('it ends within an object')
}
