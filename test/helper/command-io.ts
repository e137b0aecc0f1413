import { PassThrough, Readable } from 'node:stream'
import type { CommandIo } from '../../src/cli/command-line.ts'

/** A process's streams in memory. `all` is what was written to both outputs, in order. */
export type RecordedIo = CommandIo & {
  readonly written: { stdout: string; stderr: string; all: string }
}

/** Streams for a command that is called inside a test. */
export function recordIo({ stdin = '', signal = new AbortController().signal } = {}): RecordedIo {
  const written = { stdout: '', stderr: '', all: '' }
  const record = (name: 'stdout' | 'stderr') => {
    const stream = new PassThrough()
    const write = stream.write.bind(stream)
    stream.write = ((chunk: string) => {
      written[name] += chunk
      written.all += chunk
      return write(chunk)
    }) as typeof stream.write
    return stream.resume()
  }
  return {
    stdin: Readable.from([stdin]),
    stdout: record('stdout'),
    stderr: record('stderr'),
    env: {},
    signal,
    written,
  }
}
