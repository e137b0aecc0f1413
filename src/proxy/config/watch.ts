import { readFile, watch } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { isAbort, NodeplaneError } from '#runtime/error.ts'

/** The configuration file is not what it was at the start. */
export class ConfigChangedError extends NodeplaneError {
  readonly code = 'ERR_CONFIG_CHANGED'
  constructor(file: string) {
    super(`${file}: content was updated; start again to use it`)
  }
}

/**
 * Watches a configuration file until the signal is aborted, then returns. Its folder is watched, since editors and
 * ConfigMaps replace files; unlike kube-proxy, which ends at any write, only another content counts.
 * @throws {ConfigChangedError}
 */
export async function refuseChange(file: string, text: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const _event of watch(dirname(file), { signal })) {
      // Between removal and replacement there is no file.
      const now = await readFile(file, 'utf8').catch(() => text)
      if (now !== text) throw new ConfigChangedError(basename(file))
    }
  } catch (error) {
    if (!(signal.aborted && isAbort(error))) throw error
  }
}
