import { NodeplaneError } from '#runtime/error.ts'

/** What the executable sends: src/cni/shim/README.md describes the bytes. */
export type CallFrame = {
  /** The name it was called by; a path or a bare name. */
  readonly name: string
  /** The path of its file. */
  readonly self: string
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** All of its stdin. */
  readonly config: Uint8Array
}

/** What the executable prints, and its exit status. */
export type AnswerFrame = {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** These bytes are no request. */
export class FrameError extends NodeplaneError {
  readonly code = 'ERR_CNI_FRAME'
}

export const MAGIC = 'NPC1'
export const HEADER_BYTES = 16
export const MAX_ENVIRONMENT_BYTES = 1024 * 1024
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** Puts the chunks of one connection together until they are a request. */
export class RequestReader {
  readonly #chunks: Buffer[] = []
  /** Bytes so far. */
  received = 0
  #expected = HEADER_BYTES
  #environmentBytes = 0
  #hasHeader = false

  /** The request, once it is complete. @throws {FrameError} the bytes are none, or more than one. */
  push(chunk: Buffer): CallFrame | undefined {
    this.#chunks.push(chunk)
    this.received += chunk.length
    if (this.received < this.#expected) return undefined
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks.splice(0, this.#chunks.length, bytes)
    if (!this.#hasHeader) this.#readHeader(bytes)
    if (this.received < this.#expected) return undefined
    if (this.received > this.#expected) throw new FrameError('bytes after the end of the request')
    const configStart = HEADER_BYTES + this.#environmentBytes
    const environment = bytes.subarray(HEADER_BYTES, configStart)
    return { ...environmentFrom(environment), config: bytes.subarray(configStart) }
  }

  #readHeader(bytes: Buffer): void {
    if (bytes.toString('latin1', 0, 4) !== MAGIC) throw new FrameError('not a request')
    this.#environmentBytes = bytes.readUInt32BE(4)
    const configBytes = bytes.readUInt32BE(8)
    if (this.#environmentBytes > MAX_ENVIRONMENT_BYTES || configBytes > MAX_CONFIG_BYTES) {
      throw new FrameError('environment or configuration is too large')
    }
    this.#hasHeader = true
    this.#expected = HEADER_BYTES + this.#environmentBytes + configBytes
  }
}

/** Of two variables of one name the first counts, as for getenv(3). */
function environmentFrom(bytes: Buffer): Omit<CallFrame, 'config'> {
  const texts = bytes.toString().split('\0')
  const [name, self, ...variables] = texts
  if (texts.pop() !== '' || name === undefined || self === undefined || texts.length < 2) {
    throw new FrameError('the environment is not a row of texts ended by NUL')
  }
  const env: NodeJS.ProcessEnv = Object.create(null)
  for (const variable of variables) {
    const equals = variable.indexOf('=')
    if (equals > 0) env[variable.slice(0, equals)] ??= variable.slice(equals + 1)
  }
  return { name, self, env }
}

/** The bytes of an answer. @throws {FrameError} it is larger than the executable takes. */
export function encodeAnswer({ exitCode, stdout, stderr }: AnswerFrame): Buffer {
  const [out, err] = [Buffer.from(stdout), Buffer.from(stderr)]
  if (out.length > MAX_ANSWER_BYTES) throw new FrameError(`an answer of ${out.length} bytes`)
  const kept = err.subarray(0, MAX_ANSWER_BYTES)
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  header.writeUInt32BE(exitCode, 4)
  header.writeUInt32BE(out.length, 8)
  header.writeUInt32BE(kept.length, 12)
  return Buffer.concat([header, out, kept])
}
