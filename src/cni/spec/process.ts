import { systemClock } from '#runtime/clock.ts'
import { answerCall, type CniHost } from './call.ts'

/** The parts of a process that the protocol uses. */
export type CniProcess = {
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** All of stdin. */
  readonly readStdin: () => Promise<Uint8Array>
  /** Ends when stdout has taken it all: an answer of hundreds of kilobytes may wait for a slow reader. */
  readonly writeStdout: (text: string) => Promise<void>
  readonly writeStderr: (text: string) => void
  readonly signal: AbortSignal
}

/** Serves one call on a process's environment and streams; resolves with the exit status when the answer is written. */
export async function serveProcess(
  io: CniProcess,
  host: Pick<CniHost, 'name' | 'version' | 'pluginFor' | 'findOwnPlugin'>,
): Promise<number> {
  const { env, readStdin, writeStderr, signal } = io
  const { stdout, exitCode } = await answerCall(
    { env, readStdin },
    { ...host, writeStderr, clock: systemClock, signal },
  )
  if (stdout === '') return exitCode
  try {
    await io.writeStdout(stdout)
    return exitCode
  } catch (error) {
    writeStderr(`${host.name}: cannot write the answer: ${String(error)}\n`)
    return 1
  }
}
