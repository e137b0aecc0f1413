import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `root`: the folder that relative paths of the block start from. It is read before the other plugins are set up. */
export const root: PluginDefinition = {
  name: 'root',
  repeatable: true,
  async setup(_, { directory, log }) {
    const isFolder = await stat(directory).then(
      found => found.isDirectory(),
      () => false,
    )
    if (!isFolder) log.warn({ path: directory }, 'root: there is no such folder')
    return { name: 'root' }
  },
}

/** Where relative paths start in a block: what its last `root` says. @throws {ConfigError} */
export function rootDirectory(directives: readonly Directive[], directory: string): string {
  const roots = directives.filter(({ name }) => name === 'root')
  for (const directive of roots) {
    if (directive.args.length !== 1 || directive.block !== undefined) {
      throw directiveError(directive, 'takes one path and no braces')
    }
  }
  return resolve(directory, roots.at(-1)?.args[0] ?? '.')
}
