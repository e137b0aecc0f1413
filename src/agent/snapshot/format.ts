import type { Kind } from '#cluster/objects.ts'
import { NodeplaneError } from '#runtime/error.ts'

/**
 * The file: one line of JSON, the {@link SnapshotHeader}; then, as one gzip stream, the objects, each as four octets with its
 * length (big endian) and its fields in the form of V8's structured clone, which keeps what JSON loses (fields that are undefined:
 * a list from the API server is compared with them); then {@link DIGEST_OCTETS} octets, the SHA-256 of all before.
 */
export const SNAPSHOT_FORMAT = 'nodeplane-snapshot'

/** Of the form and of the objects' fields: to be raised when either changes (test/agent/snapshot/format.test.ts sees to it). */
export const SNAPSHOT_VERSION = 1

export const DIGEST_OCTETS = 32
/** A header names five kinds. */
export const MAX_HEADER_OCTETS = 64 * 1024
/** The largest object that etcd takes is 1.5 MiB. */
export const MAX_OBJECT_OCTETS = 16 * 1024 * 1024

export type SnapshotHeader = {
  readonly format: typeof SNAPSHOT_FORMAT
  readonly version: number
  /** Where the objects came from: another cluster's say nothing here. */
  readonly origin: string
  readonly node: string
  /** When the cluster last said that this is how it is, milliseconds since the epoch. */
  readonly confirmedMs: number
  /** The kinds that are in it whole, and what was selected of each. */
  readonly selections: { readonly [K in Kind]?: string }
}

/** A snapshot that cannot be used, and why. */
export class SnapshotError extends NodeplaneError {
  readonly code = 'ERR_SNAPSHOT'
}

export const encodeHeader = (header: SnapshotHeader): Buffer =>
  Buffer.from(`${JSON.stringify(header)}\n`)

/** @throws {SnapshotError} it is none, or of another version. */
export function decodeHeader(line: Buffer): SnapshotHeader {
  const header = parse(line) as Partial<SnapshotHeader> | undefined
  if (header?.format !== SNAPSHOT_FORMAT) throw new SnapshotError('it is no snapshot of nodeplane')
  if (header.version !== SNAPSHOT_VERSION) {
    const message = `it is of version ${String(header.version)}, and this is version ${SNAPSHOT_VERSION}`
    throw new SnapshotError(message)
  }
  const { origin, node, confirmedMs, selections } = header
  if (typeof origin !== 'string' || typeof node !== 'string' || typeof confirmedMs !== 'number') {
    throw new SnapshotError('its first line lacks fields')
  }
  if (typeof selections !== 'object') throw new SnapshotError('its first line lacks selections')
  return header as SnapshotHeader
}

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString())
  } catch {
    return undefined
  }
}
