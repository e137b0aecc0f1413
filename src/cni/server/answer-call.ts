import { basename } from 'node:path'
import type { Clock } from '#runtime/clock.ts'
import { findOwnPluginBeside } from '../own-plugin.ts'
import { isPluginName } from '../plugins.ts'
import { answerCall, type CallWatcher } from '../spec/call.ts'
import type { CniPlugin } from '../spec/plugin.ts'
import type { AnswerFrame, CallFrame } from './frame.ts'
import { KeyedQueue } from './keyed-queue.ts'
import type { CallMetrics } from './metrics.ts'

export type CallHandlerOptions = {
  /** The version of nodeplane. */
  readonly version: string
  /** The plugin of a name. @throws {CniError} there is none. */
  readonly loadPlugin: (name: string) => Promise<CniPlugin>
  readonly watcher: CallWatcher
  readonly metrics: CallMetrics
  readonly clock: Clock
}

/** Verbs that finish what they began also when nobody waits for the answer: what they remove need not be asked for again. */
const finishing = new Set(['DEL', 'GC'])

export type CallHandler = {
  readonly answer: (call: CallFrame, signal: AbortSignal) => Promise<AnswerFrame>
  /** Does something about an attachment while no call of the plugin about it is under way. */
  readonly inTurn: <T>(
    of: { readonly plugin: string; readonly containerId: string; readonly ifname: string },
    work: () => Promise<T>,
  ) => Promise<T>
  /** Asks when the call's turn has come; undefined: it was not wanted any more. */
  readonly answerIfWanted: (
    call: CallFrame,
    signal: AbortSignal,
    isStillWanted: () => boolean,
  ) => Promise<AnswerFrame | undefined>
}

/**
 * Does calls in this process, with all they delegate to plugins of ours. Calls of one plugin for one interface are done one after
 * the other: a runtime that gave up an ADD sends its DEL while the ADD may still be under way.
 */
export function createCallHandler(options: CallHandlerOptions): CallHandler {
  const queue = new KeyedQueue()
  const inTurn: CallHandler['inTurn'] = ({ plugin, containerId, ifname }, work) =>
    containerId === '' ? work() : queue.run([plugin, containerId, ifname].join('/'), work)
  return {
    inTurn,
    answer: (call, signal) => inTurn(subjectOf(call), () => measured(call, options, signal)),
    answerIfWanted: (call, signal, isStillWanted) =>
      inTurn(subjectOf(call), async () =>
        isStillWanted() ? await measured(call, options, signal) : undefined,
      ),
  }
}

const subjectOf = ({ name, env }: CallFrame) => ({
  plugin: basename(name),
  containerId: env['CNI_CONTAINERID'] ?? '',
  ifname: env['CNI_IFNAME'] ?? '',
})

async function measured(
  call: CallFrame,
  { version, loadPlugin, watcher, metrics, clock }: CallHandlerOptions,
  signal: AbortSignal,
): Promise<AnswerFrame> {
  const command = call.env['CNI_COMMAND'] ?? ''
  const plugin = basename(call.name)
  // Who gave up while it waited for its turn has been told so, and would never learn of what it made.
  if (signal.aborted && !finishing.has(command)) return { exitCode: 1, stdout: '', stderr: '' }
  const beganMs = clock.monotonic()
  let stderr = ''
  const { stdout, exitCode } = await answerCall(
    { env: call.env, readStdin: () => Promise.resolve(call.config) },
    {
      name: plugin,
      version,
      pluginFor: () => loadPlugin(plugin),
      findOwnPlugin: findOwnPluginBeside(call.self),
      watcher,
      writeStderr: text => {
        stderr += text
      },
      clock,
      signal: finishing.has(command) ? new AbortController().signal : signal,
    },
  )
  metrics.answered({
    command,
    plugin: isPluginName(plugin) ? plugin : 'unknown',
    isOk: exitCode === 0,
    durationMs: clock.monotonic() - beganMs,
  })
  return { exitCode, stdout, stderr }
}
