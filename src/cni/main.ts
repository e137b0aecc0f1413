import { basename } from 'node:path'
import { findOwnPluginBeside } from './own-plugin.ts'
import { loadPlugin } from './plugins.ts'
import { type CniProcess, serveProcess } from './spec/process.ts'

/**
 * Serves one call as the plugin that the executable is named after.
 * @param executable the path by which it was called.
 * @param version of nodeplane.
 * @returns the exit status.
 */
export const servePlugin = (executable: string, version: string, io: CniProcess): Promise<number> =>
  serveProcess(io, {
    name: basename(executable),
    version,
    pluginFor: () => loadPlugin(basename(executable)),
    findOwnPlugin: findOwnPluginBeside(executable),
  })

/** Serves one call as the plugin that the configuration's `type` names. */
export const serveConfigured = (version: string, io: CniProcess): Promise<number> =>
  serveProcess(io, {
    name: 'nodeplane',
    version,
    pluginFor: type => loadPlugin(type ?? ''),
  })
