import { on } from 'node:events'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ConfigError, isAbort, NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { ProxyConfig } from './schema.ts'

/** The configuration file says something else than at the start. */
export class ConfigChangedError extends NodeplaneError {
  readonly code = 'ERR_CONFIG_CHANGED'
  constructor(file: string) {
    super(`${file}: content was updated; start again to use it`)
  }
}

export type ConfigWatch = {
  /** Path. */
  readonly file: string
  /** What was read at the start, and what it meant. */
  readonly text: string
  readonly config: ProxyConfig
  /** What another text means. @throws {ConfigError} */
  readonly read: (text: string) => ProxyConfig
  readonly log: Logger
}

/**
 * Watches a configuration file until the signal is aborted, then returns. Its folder is watched, since editors and
 * ConfigMaps replace files.
 *
 * kube-proxy ends at any write, and a supervisor starts it in vain when the new file is wrong: the node is left with the
 * rules of that moment. Here only a file that is right and means something else ends the process; a wrong one is told, and the
 * old configuration goes on.
 * @throws {ConfigChangedError}
 */
export async function refuseChange(options: ConfigWatch, signal: AbortSignal): Promise<void> {
  const { file } = options
  let last = options.text
  const look = async () => {
    // Between removal and replacement there is no file, and at the begin of a write there is nothing in it.
    const now = (await readFile(file, 'utf8').catch(() => last)) || last
    if (now !== last) check(now, options)
    last = now
  }
  using watcher = watched(dirname(file))
  try {
    const events = on(watcher, 'change', { signal })
    // What changed since it was read at the start is told by no event.
    await look()
    for await (const _event of events) await look()
  } catch (error) {
    if (!(signal.aborted && isAbort(error))) throw error
  }
}

/** A watch that stands when this returns; the one of fs/promises begins when it is first asked. */
function watched(folder: string): FSWatcher & Disposable {
  const watcher = watch(folder)
  return Object.assign(watcher, { [Symbol.dispose]: () => watcher.close() })
}

function check(text: string, { file, config, read, log }: ConfigWatch): void {
  let now: ProxyConfig
  try {
    now = read(text)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    log.error(
      { file, reason: error.message },
      'the new configuration is wrong; going on with the old',
    )
    return
  }
  if (!isDeepStrictEqual(now, config)) throw new ConfigChangedError(basename(file))
}
