import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#runtime/clock.ts'
import { describeError, NodeplaneError } from '#runtime/error.ts'
import { configObjectFrom } from './config-object.ts'
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

/** Delegation as CNI specification 1.1.0, section 4, wants it: in this process where we are the delegate ourselves. */
export function createDelegate(options: DelegateOptions): Delegate {
  const call = async (
    verb: CniVerb,
    type: string,
    request: CniRequest,
  ): Promise<CniResult | undefined> => {
    const executable = findExecutable(type, request.pluginPath)
    try {
      const own = await options.findOwnPlugin?.(executable, type)
      if (own === undefined) {
        // Loaded late: starting programs costs a start-up 4 ms.
        const { callProgram } = await import('./delegate-program.ts')
        const answer = await callProgram(executable, verb, request.raw, options)
        return verb === 'ADD' ? readResult(answer, type, request) : undefined
      }
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
export function findExecutable(type: string, folders: readonly string[]): string {
  if (type.includes('/') || type === '' || type === '.' || type === '..') {
    throw new CniError(cniCodes.invalidConfig, `plugin type '${type}' is not a file name`)
  }
  for (const folder of folders) {
    const path = join(folder, type)
    if (isFile(path)) return path
  }
  throw new CniError(
    cniCodes.invalidConfig,
    `failed to find plugin "${type}" in path [${folders.join(' ')}]`,
  )
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    // A folder that cannot be read holds no plugin for us.
    return false
  }
}

const readResult = (json: unknown, path: string, { config }: CniRequest): CniResult =>
  resultFrom(configObjectFrom(json, `result of ${path}`), config.cniVersion)

/** Says which delegate it was; code and message stay its own. */
function prefixed(type: string, error: unknown): unknown {
  // A bug: whoever answers shows where.
  if (!(error instanceof NodeplaneError)) return error
  if (!(error instanceof CniError)) {
    return new CniError(cniCodes.internal, `${type}: ${describeError(error)}`)
  }
  const { cniCode, message, details } = error
  return new CniError(cniCode, `${type}: ${message}`, {
    cause: error.cause,
    ...(details === undefined ? {} : { details }),
  })
}
