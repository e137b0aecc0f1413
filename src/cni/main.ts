import { basename } from 'node:path'
import { findOwnPluginBeside } from './own-plugin.ts'
import { loadPlugin } from './plugins.ts'
import { type CniProcess, serveProcess } from './spec/process.ts'

/**
 * Serves one call as the plugin that the executable is named after.
 * @param called the name by which it was called, a path or a bare name, and the path of its file.
 * @param version of nodeplane.
 * @returns the exit status.
 */
export const servePlugin = (
  called: { readonly name: string; readonly self: string },
  version: string,
  io: CniProcess,
): Promise<number> =>
  serveProcess(io, {
    name: basename(called.name),
    version,
    pluginFor: () => loadPlugin(basename(called.name)),
    findOwnPlugin: findOwnPluginBeside(called.self),
  })

/** Serves one call as the plugin that the configuration's `type` names. */
export const serveConfigured = (version: string, io: CniProcess): Promise<number> =>
  serveProcess(io, {
    name: 'nodeplane',
    version,
    pluginFor: type => loadPlugin(type ?? ''),
  })
