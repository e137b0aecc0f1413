import type { Readable, Writable } from 'node:stream'
import { systemClock } from '#runtime/clock.ts'
import { answerCall, type CniHost } from './call.ts'

/** The parts of a process that the protocol uses. */
export type CniProcess = {
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable
  readonly stderr: Writable
  readonly signal: AbortSignal
}

/** Serves one call on a process's environment and streams; resolves with the exit status when stdout has taken it all. */
export async function serveProcess(
  io: CniProcess,
  host: Pick<CniHost, 'name' | 'version' | 'pluginFor' | 'findOwnPlugin'>,
): Promise<number> {
  const { stdout, exitCode } = await answerCall(
    { env: io.env, readStdin: () => readAll(io.stdin) },
    {
      ...host,
      writeStderr: text => io.stderr.write(text),
      clock: systemClock,
      signal: io.signal,
    },
  )
  if (stdout === '') return exitCode
  try {
    await writeAll(io.stdout, stdout)
    return exitCode
  } catch (error) {
    io.stderr.write(`${host.name}: cannot write the answer: ${String(error)}\n`)
    return 1
  }
}

async function readAll(stdin: CniProcess['stdin']): Promise<Uint8Array> {
  // Somebody types the call by hand: do not wait for a configuration.
  if (stdin.isTTY) return new Uint8Array()
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Ends only when all is written: an answer of hundreds of kilobytes may wait for a slow reader. */
const writeAll = (stdout: Writable, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    stdout.once('error', reject)
    stdout.write(text, error => (error ? reject(error) : resolve()))
  })
