import { rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { lockFile } from '#linux/file-lock.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError, NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { listenForRoot, prepareSocketFolder } from '#runtime/root-socket.ts'
import { CniError, cniCodes, renderError } from '../spec/error.ts'
import { newestCniVersion } from '../spec/version.ts'
import {
  type AnswerFrame,
  type CallFrame,
  encodeAnswer,
  FrameError,
  RequestReader,
} from './frame.ts'

/** Calls at once. A node starts dozens of pods at a time; a plugin that we start may call another one of ours. */
const MAX_CONNECTIONS = 256
/** Requests that are not complete may hold this much memory together. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024
/** A runtime may be slow to write its configuration. */
const REQUEST_TIMEOUT_MS = 60_000
/** The executable waits 120 s. */
const CALL_TIMEOUT_MS = 110_000
/** The executable hands the answer on to the runtime. */
const ANSWER_TIMEOUT_MS = 60_000
/** Calls under way have this long when the server stops. */
const STOP_TIMEOUT_MS = 15_000
/** A former agent may be stopping still. */
const LOCK_TIMEOUT_MS = 20_000

export type CniServerOptions = {
  /** Path of the socket. */
  readonly socket: string
  /** Does a call. Aborted when it took too long, or when who asked has gone. */
  readonly answer: (call: CallFrame, signal: AbortSignal) => Promise<AnswerFrame>
  readonly clock: Clock
  readonly log: Logger
}

/** The socket cannot be served. */
export class CniServerError extends NodeplaneError {
  readonly code = 'ERR_CNI_SERVER'
}

/**
 * Takes calls from the plugin executables (src/cni/shim/README.md). Only root can connect: the socket is made 0600, and
 * connecting needs write permission (unix(7)). Disposing it takes no more calls and waits for those under way.
 * @throws {ConfigError} the path cannot be used; {CniServerError} another agent serves it.
 */
export async function startCniServer(
  options: CniServerOptions,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { socket, clock } = options
  prepareSocketFolder(socket, 'cni.socket')
  await using undo = new AsyncDisposableStack()
  // Else two agents would take the path from each other. The lock ends with its process.
  const lock = lockFile(`${socket}.lock`, { timeoutMs: LOCK_TIMEOUT_MS, clock, signal })
  undo.use(
    await lock.catch((cause: unknown) => {
      throw signal.aborted ? cause : new CniServerError(`socket ${socket}`, { cause })
    }),
  )
  rmSync(socket, { force: true })
  const calls = new Calls(options)
  const server = createServer(connection => calls.serve(connection))
  server.maxConnections = MAX_CONNECTIONS
  await listenForRoot(server, socket)
  undo.defer(async () => {
    // Closing removes the path too.
    server.close()
    await calls.end()
  })
  return undo.move()
}

/** The connections of a server. */
class Calls {
  readonly #options: CniServerOptions
  readonly #waiting = new Set<Socket>()
  readonly #working = new Set<Promise<void>>()
  #unreadBytes = 0

  constructor(options: CniServerOptions) {
    this.#options = options
  }

  serve(connection: Socket): void {
    const reader = new RequestReader()
    this.#waiting.add(connection)
    connection.setTimeout(REQUEST_TIMEOUT_MS, () => connection.destroy())
    const release = () => {
      if (this.#waiting.delete(connection)) this.#unreadBytes -= reader.received
    }
    connection.on('close', release)
    // A connection that breaks is closed next.
    connection.on('error', error => this.#options.log.debug({ error: error.message }, 'connection'))
    connection.on('data', (chunk: Buffer) => {
      // One request a connection: what comes later is not looked at.
      if (!this.#waiting.has(connection)) return
      this.#unreadBytes += chunk.length
      try {
        const call = reader.push(chunk)
        if (call === undefined && this.#unreadBytes <= MAX_UNREAD_BYTES) return
        release()
        if (call === undefined) this.#send(connection, failed('too many calls at once'))
        else this.#start(call, connection)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
        this.#options.log.warn({ reason: error.message }, 'refused a connection')
        connection.destroy()
      }
    })
  }

  /** Resolves when no call is under way, at the latest after 15 s; then connections are cut. */
  async end(): Promise<void> {
    for (const connection of this.#waiting) connection.destroy()
    const limit = new AbortController()
    const timeout = this.#options.clock.sleep(STOP_TIMEOUT_MS, limit.signal).catch(() => {})
    await Promise.race([Promise.all(this.#working), timeout])
    limit.abort()
  }

  #start(call: CallFrame, connection: Socket): void {
    connection.setTimeout(0)
    const work = this.#work(call, connection)
    this.#working.add(work)
    void work.finally(() => this.#working.delete(work))
  }

  async #work(call: CallFrame, connection: Socket): Promise<void> {
    const { answer, clock } = this.#options
    const ended = new AbortController()
    const gone = new AbortController()
    connection.once('close', () => gone.abort())
    const late = clock.sleep(CALL_TIMEOUT_MS, ended.signal).then(
      () => {
        gone.abort()
        return failed(`the call took longer than ${CALL_TIMEOUT_MS / 1000} s`)
      },
      // The answer came first.
      () => failed('stopped'),
    )
    try {
      this.#send(connection, await Promise.race([answer(call, gone.signal), late]))
    } catch (error) {
      // A bug, or an answer larger than the executable takes: one call's, not the agent's end.
      this.#options.log.error({ error: describeError(error) }, 'no answer to a call')
      this.#send(connection, failed(describeError(error)))
    } finally {
      ended.abort()
    }
  }

  #send(connection: Socket, answer: AnswerFrame): void {
    if (connection.destroyed) return
    const bytes = encodeAnswer(answer)
    connection.setTimeout(ANSWER_TIMEOUT_MS, () => connection.destroy())
    connection.end(bytes)
  }
}

function failed(why: string): AnswerFrame {
  const error = new CniError(cniCodes.tryAgainLater, `nodeplane agent: ${why}`)
  const stdout = `${JSON.stringify(renderError(error, newestCniVersion))}\n`
  return { exitCode: 1, stdout, stderr: '' }
}
