import type { Clock } from '#runtime/clock.ts'
import { describeError, NodeplaneError } from '#runtime/error.ts'
import { stringField } from './config-object.ts'
import { createDelegate, type FindOwnPlugin } from './delegate.ts'
import { type CniEnvironment, parseEnvironment } from './environment.ts'
import { CniError, cniCodes, renderError } from './error.ts'
import type {
  AttachmentRequest,
  CniContext,
  CniPlugin,
  CniRequest,
  CniVerb,
  GcRequest,
} from './plugin.ts'
import { cniVersionOf, parseStdin, requestFrom } from './request.ts'
import type { CniResult } from './result.ts'
import { renderResult } from './result-json.ts'
import { cniVersions, newestCniVersion } from './version.ts'

/** A plugin call as it arrives: nothing of it has been looked at. */
export type CniCall = {
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** All of stdin; called once, after the environment was found right. */
  readonly readStdin: () => Promise<Uint8Array>
}

/** Who lives longer than a call, and learns what calls have done: the agent. */
export interface CallWatcher {
  /** Why the node is not ready for pods, for STATUS; undefined when it is. */
  whyNotReady(): string | undefined
  /** ADD begins; nothing has been done yet. */
  adding(plugin: string, request: AttachmentRequest): void
  /** ADD succeeded; gives the result to answer with. */
  added(plugin: string, request: AttachmentRequest, result: CniResult): CniResult
  /** DEL succeeded. */
  deleted(plugin: string, request: AttachmentRequest): void
  /** GC succeeded. */
  collected(plugin: string, request: GcRequest): void
}

/** What the process that answers a call has. */
export type CniHost = {
  /** What a person is told who starts the program by hand. */
  readonly name: string
  /** The version of the program. */
  readonly version: string
  /**
   * The plugin to call. Who is called by a plugin's name does not look at `type`, the configuration's.
   * @throws {CniError} when there is no such plugin.
   */
  readonly pluginFor: (type: string | undefined) => Promise<CniPlugin>
  /** Finds a delegate that needs no process of its own. */
  readonly findOwnPlugin?: FindOwnPlugin
  /** Learns of calls, not of what their plugins delegate. */
  readonly watcher?: CallWatcher
  readonly writeStderr: (text: string) => void
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What goes to stdout, and the exit status. */
export type CniAnswer = { readonly stdout: string; readonly exitCode: 0 | 1 }

/**
 * Answers a call of the CNI protocol, whatever it is: never rejects. Every failure becomes the specification's error
 * object at this one point.
 */
export async function answerCall(call: CniCall, host: CniHost): Promise<CniAnswer> {
  let cniVersion: string = newestCniVersion
  try {
    const environment = parseEnvironment(call.env)
    if (environment === undefined) {
      host.writeStderr(about(host))
      return { stdout: '', exitCode: 0 }
    }
    const { verb } = environment
    if (verb === 'VERSION') return json(await versionAnswer(call, host), 0)
    const stdin = await readAll(call)
    const fields = parseStdin(stdin)
    cniVersion = cniVersionOf(fields)
    const plugin = await host.pluginFor(stringField(fields, 'type'))
    const raw = { stdin, env: call.env }
    const request = requestFrom({ ...environment, verb }, fields, plugin.supportedVersions, raw)
    const result = await performWatched(plugin, request, host)
    if (result === undefined) return { stdout: '', exitCode: 0 }
    return json(renderResult(result, request.config.cniVersion), 0)
  } catch (error) {
    // What is nobody's deliberate error is a bug or a system error: the place helps who reads the log.
    if (!(error instanceof NodeplaneError)) host.writeStderr(`${stackOf(error)}\n`)
    return json(renderError(error, cniVersion), 1)
  }
}

/** Performs a call and tells the host's watcher. @throws {CniError} code 50: STATUS while the node is not ready. */
async function performWatched(
  plugin: CniPlugin,
  request: CniRequest | AttachmentRequest | GcRequest,
  host: CniHost,
): Promise<CniResult | undefined> {
  const { watcher } = host
  const whyNot = request.verb === 'STATUS' ? watcher?.whyNotReady() : undefined
  if (whyNot !== undefined) throw new CniError(cniCodes.notAvailable, whyNot)
  if (request.verb === 'ADD') watcher?.adding(plugin.name, request as AttachmentRequest)
  const result = await perform(plugin, request, contextOf(host))
  if (watcher === undefined) return result
  if (request.verb === 'DEL') watcher.deleted(plugin.name, request as AttachmentRequest)
  if (request.verb === 'GC') watcher.collected(plugin.name, request as GcRequest)
  if (result === undefined) return undefined
  return watcher.added(plugin.name, request as AttachmentRequest, result)
}

/** Calls the plugin's method for the verb of the request; only ADD has a result. */
async function perform(
  plugin: CniPlugin,
  request: CniRequest | AttachmentRequest | GcRequest,
  context: CniContext,
): Promise<CniResult | undefined> {
  switch (request.verb) {
    case 'ADD':
      return plugin.add(request as AttachmentRequest, context)
    case 'CHECK':
      if (request.config.prevResult === undefined) {
        throw new CniError(cniCodes.invalidConfig, 'Required prevResult missing')
      }
      await plugin.check(request as AttachmentRequest, context)
      return undefined
    case 'DEL':
      await plugin.del(request as AttachmentRequest, context)
      return undefined
    case 'GC':
      await plugin.gc(request as GcRequest, context)
      return undefined
    case 'STATUS':
      await plugin.status(request, context)
      return undefined
  }
}

/** Performs a call in this process on behalf of another plugin, as if it were a process: from its bytes. */
async function performInProcess(
  plugin: CniPlugin,
  verb: CniVerb,
  raw: CniRequest['raw'],
  context: CniContext,
): Promise<CniResult | undefined> {
  const environment = parseEnvironment({ ...raw.env, CNI_COMMAND: verb }) as CniEnvironment
  const fields = parseStdin(raw.stdin)
  const request = requestFrom({ ...environment, verb }, fields, plugin.supportedVersions, raw)
  return perform(plugin, request, context)
}

const contextOf = (host: CniHost): CniContext => {
  const warn = (message: string) => host.writeStderr(`${host.name}: ${message}\n`)
  const context: CniContext = {
    warn,
    clock: host.clock,
    signal: host.signal,
    delegate: createDelegate({
      findOwnPlugin: host.findOwnPlugin,
      performInProcess: (plugin, verb, raw) => performInProcess(plugin, verb, raw, context),
      warn,
      writeStderr: host.writeStderr,
      clock: host.clock,
    }),
  }
  return context
}

async function readAll(call: CniCall): Promise<Uint8Array> {
  try {
    return await call.readStdin()
  } catch (cause) {
    throw new CniError(cniCodes.ioFailure, 'cannot read the configuration from stdin', { cause })
  }
}

/** VERSION works without a configuration; one that can be read gives the version to echo and the plugin to ask. */
async function versionAnswer(call: CniCall, host: CniHost): Promise<object> {
  let cniVersion: string | undefined
  let supportedVersions: readonly string[] = cniVersions
  try {
    const fields = parseStdin(await call.readStdin())
    cniVersion = stringField(fields, 'cniVersion')
    supportedVersions = (await host.pluginFor(stringField(fields, 'type'))).supportedVersions
  } catch {
    // Nobody asked whether the configuration is right.
  }
  return { cniVersion: cniVersion || newestCniVersion, supportedVersions }
}

const about = ({ name, version }: CniHost): string =>
  `CNI ${name} plugin v${version}\nCNI protocol versions supported: ${cniVersions.join(', ')}\n`

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? describeError(error)) : String(error)

const json = (value: object, exitCode: 0 | 1): CniAnswer => ({
  stdout: `${JSON.stringify(value)}\n`,
  exitCode,
})
