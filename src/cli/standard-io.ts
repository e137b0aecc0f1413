import { fstatSync, readSync, writeSync } from 'node:fs'
import { errnoCode } from '#runtime/error.ts'

/** Bytes per read: what a pipe holds (pipe(7)). */
const CHUNK_BYTES = 65_536

/**
 * All of stdin. Read by descriptor, because process.stdin and process.stdout take 7 ms to make; only what is not there
 * yet on a descriptor that does not block is waited for by the stream.
 */
export async function readStdin(): Promise<Uint8Array> {
  // Somebody types the call by hand: do not wait for a configuration.
  if (fstatSync(0).isCharacterDevice()) return new Uint8Array()
  const chunks: Uint8Array[] = []
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
      const length = readSync(0, chunk)
      if (length === 0) return Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, length))
    }
  } catch (error) {
    if (errnoCode(error) !== 'EAGAIN') throw error
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
}

/** Writes all of a text to stdout, however slowly it is read. */
export async function writeStdout(text: string): Promise<void> {
  let rest: Uint8Array = Buffer.from(text)
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest))
  } catch (error) {
    if (errnoCode(error) !== 'EAGAIN') throw error
    await new Promise<void>((resolve, reject) => {
      process.stdout.once('error', reject)
      process.stdout.write(rest, failure => (failure ? reject(failure) : resolve()))
    })
  }
}

/** Writes a text for people to stderr; who closed it wants none. */
export function writeStderr(text: string): void {
  try {
    writeSync(2, text)
  } catch {
    // Nothing can be said any more.
  }
}
