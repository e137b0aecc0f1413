import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ExecError, type ExecResult, exec } from '#linux/exec.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError, errnoCode } from '#runtime/error.ts'
import { type ConfigObject, configObjectFrom, integerField, stringField } from './config-object.ts'
import { CniError, cniCodes } from './error.ts'
import type { AttachmentRequest, CniPlugin, CniRequest, CniVerb, Delegate } from './plugin.ts'
import type { CniResult } from './result.ts'
import { renderResult, resultFrom } from './result-json.ts'

/**
 * The plugin in this process that does the same as the executable found in CNI_PATH, or undefined when that is someone
 * else's.
 */
export type FindOwnPlugin = (executable: string, type: string) => Promise<CniPlugin | undefined>

export type DelegateOptions = {
  readonly findOwnPlugin?: FindOwnPlugin | undefined
  readonly performInProcess: (
    plugin: CniPlugin,
    verb: CniVerb,
    raw: CniRequest['raw'],
  ) => Promise<CniResult | undefined>
  readonly warn: (message: string) => void
  /** Where the delegate's own stderr goes. */
  readonly writeStderr: (text: string) => void
  readonly clock: Clock
}

/** The largest answer that is read from a delegate. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** How often, and after which waits, a program is started again that is just being replaced. */
const BUSY_TRIES = 5
const BUSY_WAIT_MS = 1000

/** Delegation as CNI specification 1.1.0, section 4, wants it: in this process where we are the delegate ourselves. */
export function createDelegate(options: DelegateOptions): Delegate {
  const call = async (
    verb: CniVerb,
    type: string,
    request: CniRequest,
  ): Promise<CniResult | undefined> => {
    const executable = await findExecutable(type, request.pluginPath)
    try {
      const own = await options.findOwnPlugin?.(executable, type)
      if (own === undefined) return await callProgram(executable, verb, request, options)
      const result = await options.performInProcess(own, verb, request.raw)
      // Through its printed form, so that it is what a process would have given.
      return result && readResult(renderResult(result, request.config.cniVersion), type, request)
    } catch (error) {
      throw prefixed(type, error)
    }
  }
  return {
    async add(type: string, request: AttachmentRequest) {
      try {
        const result = await call('ADD', type, request)
        if (result !== undefined) return result
        throw new CniError(cniCodes.decodingFailure, `${type}: ADD gave no result`)
      } catch (error) {
        await call('DEL', type, request).catch(undoError => {
          options.warn(`undoing a failed ADD: ${describeError(undoError)}`)
        })
        throw error
      }
    },
    async run(verb, type, request) {
      await call(verb, type, request)
    },
  }
}

/**
 * The path of the executable for a plugin type: the first regular file of that name in the folders.
 * @throws {CniError} code 7, naming type and folders.
 */
export async function findExecutable(type: string, folders: readonly string[]): Promise<string> {
  if (type.includes('/') || type === '' || type === '.' || type === '..') {
    throw new CniError(cniCodes.invalidConfig, `plugin type '${type}' is not a file name`)
  }
  for (const folder of folders) {
    const path = join(folder, type)
    // A folder that cannot be read holds no plugin for us.
    const found = await stat(path).catch(() => undefined)
    if (found?.isFile()) return path
  }
  throw new CniError(
    cniCodes.invalidConfig,
    `failed to find plugin "${type}" in path [${folders.join(' ')}]`,
  )
}

async function callProgram(
  executable: string,
  verb: CniVerb,
  request: CniRequest,
  options: DelegateOptions,
): Promise<CniResult | undefined> {
  try {
    const { stdout, stderr } = await start(executable, verb, request, options.clock)
    options.writeStderr(stderr)
    if (verb !== 'ADD') return undefined
    return readResult(parseJson(stdout), executable, request)
  } catch (error) {
    if (!(error instanceof ExecError)) throw error
    options.writeStderr(error.stderr)
    throw answeredError(error) ?? new CniError(cniCodes.internal, describeError(error))
  }
}

async function start(
  executable: string,
  verb: CniVerb,
  { raw }: CniRequest,
  clock: Clock,
): Promise<ExecResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await exec(executable, [], {
        input: raw.stdin,
        env: { ...raw.env, CNI_COMMAND: verb },
        // Only the runtime knows how long its plugins may take; it ends us, and our children with us.
        timeoutMs: 0,
        maxOutputBytes: MAX_ANSWER_BYTES,
      })
    } catch (error) {
      if (errnoCode(error) !== 'ETXTBSY' || tries === BUSY_TRIES) throw error
      await clock.sleep(BUSY_WAIT_MS)
    }
  }
}

const readResult = (json: unknown, path: string, { config }: CniRequest): CniResult =>
  resultFrom(configObjectFrom(json, `result of ${path}`), config.cniVersion)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CniError(cniCodes.decodingFailure, 'the result is not JSON', { cause })
  }
}

/** The error object that a failed program printed, or undefined when it printed none. */
function answeredError({ stdout }: ExecError): CniError | undefined {
  let answer: ConfigObject
  try {
    answer = configObjectFrom(JSON.parse(stdout))
    const details = stringField(answer, 'details')
    return new CniError(
      integerField(answer, 'code') || cniCodes.internal,
      stringField(answer, 'msg') ?? 'failed without a message',
      details === undefined ? {} : { details },
    )
  } catch {
    return undefined
  }
}

function prefixed(type: string, error: unknown): CniError {
  if (!(error instanceof CniError)) {
    return new CniError(cniCodes.internal, `${type}: ${describeError(error)}`, { cause: error })
  }
  const { cniCode, message, details } = error
  return new CniError(cniCode, `${type}: ${message}`, {
    cause: error.cause,
    ...(details === undefined ? {} : { details }),
  })
}
