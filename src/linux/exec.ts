import { spawn } from 'node:child_process'
import { pipeline, Readable, type Writable } from 'node:stream'
import { NodeplaneError } from '#runtime/error.ts'

/** A program that could not be started, failed, was stopped, or said too much. */
export class ExecError extends NodeplaneError {
  readonly code = 'ERR_EXEC'
  readonly program: string
  /** undefined when the program did not end by itself. */
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
  constructor(
    program: string,
    why: string,
    outcome: { exitCode?: number | undefined; stdout: string; stderr: string },
    options?: ErrorOptions,
  ) {
    const said = outcome.stderr.trim()
    super(`${program}: ${why}${said === '' ? '' : `: ${said}`}`, options)
    this.program = program
    this.exitCode = outcome.exitCode
    this.stdout = outcome.stdout
    this.stderr = outcome.stderr
  }
}

/** Is this the error of a program that is not installed? */
export const isProgramMissing = (error: unknown): boolean =>
  error instanceof ExecError &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  error.cause.code === 'ENOENT'

export type ExecOptions = {
  /** Pieces are asked for as fast as the program reads them. */
  readonly input?: string | Uint8Array | Iterable<string> | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly signal?: AbortSignal | undefined
  /** The program is killed after this; 30 s when not given. */
  readonly timeoutMs?: number | undefined
  /** Bytes of stdout kept before the program is killed; 256 MiB when not given. */
  readonly maxOutputBytes?: number | undefined
  readonly onStart?: OnStart | undefined
}

/** Called with the process id of a program before it can have read anything; gives what is to be called at its end. */
export type OnStart = (pid: number) => (() => void) | undefined

export type ExecResult = { readonly stdout: string; readonly stderr: string }

const DEFAULT_TIMEOUT_MS = 30_000
const DEFAULT_MAX_OUTPUT_BYTES = 256 * 1024 * 1024

/**
 * Runs a program to its end, without a shell, and gives what it wrote.
 * @throws {ExecError} it could not be started, exited with another status than 0, or was stopped.
 */
export function exec(
  program: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      signal: options.signal,
      env: options.env,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    const onEnd = child.pid === undefined ? undefined : options.onStart?.(child.pid)
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    let size = 0
    let tooMuch = false
    const outcome = (exitCode?: number) => ({
      exitCode,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    })
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      tooMuch ||= size > maxOutputBytes
      if (tooMuch) child.kill('SIGKILL')
      else stdout.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < 1000) stderr.push(chunk)
    })
    // A program may end before it has read its input; its status tells what happened.
    child.stdin.on('error', () => {})
    child.on('error', cause => {
      reject(new ExecError(program, `cannot run: ${cause.message}`, outcome(), { cause }))
    })
    child.on('exit', (_, signal) => {
      onEnd?.()
      // A program that it has started (modprobe) may hold the pipes for as long as it hangs.
      if (signal === null) return
      child.stdout.destroy()
      child.stderr.destroy()
    })
    child.on('close', (exitCode, signal) => {
      if (exitCode === 0) return resolve(outcome(0))
      const why = tooMuch
        ? `wrote more than ${maxOutputBytes} bytes`
        : exitCode !== null
          ? `exit status ${exitCode}`
          : child.killed
            ? `killed, for it took longer than ${timeoutMs} ms`
            : `died of ${signal}`
      reject(new ExecError(program, why, outcome(exitCode ?? undefined)))
    })
    give(child.stdin, options.input ?? '')
  })
}

function give(stdin: Writable, input: NonNullable<ExecOptions['input']>): void {
  if (typeof input === 'string' || input instanceof Uint8Array) stdin.end(input)
  // What fails here is told by the program's end.
  else pipeline(Readable.from(input), stdin, () => {})
}
