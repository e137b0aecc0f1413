import { ApiError } from './api-error.ts'
import { MAX_OBJECT_BYTES } from './list-splitter.ts'

const NEWLINE = 0x0a

/**
 * The lines of a stream, without their ends. A last line without end is left out: it was cut off.
 * @throws {ApiError} a line is longer than `maxBytes`.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes = MAX_OBJECT_BYTES,
): AsyncGenerator<string> {
  let pieces: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      pieces.push(chunk.subarray(start, end))
      start = end + 1
      const line = Buffer.concat(pieces).toString()
      pieces = []
      bytes = 0
      if (line.length > 0) yield line
    }
    pieces.push(chunk.subarray(start))
    bytes += chunk.length - start
    if (bytes > maxBytes) {
      throw new ApiError('garbage', `read a watch: a line is longer than ${maxBytes} bytes`)
    }
  }
}
