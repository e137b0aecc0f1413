import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigError, errnoCode } from '#runtime/error.ts'
import type { Directive, ServerBlock } from '../corefile/directive.ts'
import { rootDirectory } from '../plugins/root/plugin.ts'

/**
 * The files of certificates, keys and authorities that server blocks name: in `tls`, and in the `tls` of `forward`. Absolute, each once,
 * in the order of the Corefile. Those of `kubernetes` are its connection's, which outlives a reload.
 * @param directory that of the Corefile.
 */
export const certificateFiles = (
  blocks: readonly Pick<ServerBlock, 'directives'>[],
  directory: string,
): readonly string[] => [
  ...new Set(
    blocks.flatMap(({ directives }) => {
      const folder = folderOf(directives, directory)
      const own = directives.filter(({ name }) => name === 'tls')
      const options = directives
        .filter(({ name }) => name === 'forward')
        .flatMap(({ block = [] }) => block.filter(({ name }) => name === 'tls'))
      return [...own, ...options].flatMap(({ args }) => args.map(file => resolve(folder, file)))
    }),
  ),
]

/** A `root` that is wrong is told of when the block is set up. */
function folderOf(directives: readonly Directive[], directory: string): string {
  try {
    return rootDirectory(directives, directory)
  } catch (error) {
    if (error instanceof ConfigError) return directory
    throw error
  }
}

/** SHA-512 over what the files hold, in hexadecimal. Of one that cannot be read the reason counts: it may be back at the next look. */
export async function hashFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha512')
  for (const path of paths) {
    const content = await readFile(path).catch((error: unknown) => errnoCode(error) ?? 'unreadable')
    // A hash of each, so that nothing can move from one file to the next.
    hash.update(createHash('sha512').update(content).digest())
  }
  return hash.digest('hex')
}
