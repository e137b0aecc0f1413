import { type AnswerFrame, type CallFrame, HEADER_BYTES, MAGIC } from '#cni/server/frame.ts'

/** The bytes of a request, as src/cni/shim/README.md describes them. */
export function encodeRequest({ name, self, env, config }: CallFrame): Buffer {
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value ?? ''}`)
  const environment = Buffer.from([name, self, ...variables].map(text => `${text}\0`).join(''))
  return frame([environment.length, config.length, 0], environment, config)
}

/** A header with these numbers, and a body. */
export function frame(numbers: readonly number[], ...body: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  for (const [index, number] of numbers.entries()) header.writeUInt32BE(number, 4 + index * 4)
  return Buffer.concat([header, ...body])
}

/** What the bytes of an answer say; undefined when they are none, or not whole. */
export function decodeAnswer(bytes: Buffer): AnswerFrame | undefined {
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, 4) !== MAGIC) return undefined
  const outEnd = HEADER_BYTES + bytes.readUInt32BE(8)
  if (bytes.length !== outEnd + bytes.readUInt32BE(12)) return undefined
  return {
    exitCode: bytes.readUInt32BE(4),
    stdout: bytes.toString('utf8', HEADER_BYTES, outEnd),
    stderr: bytes.toString('utf8', outEnd),
  }
}
