import { join } from 'node:path'
import { exec } from '#linux/exec.ts'

const root = join(import.meta.dirname, '../..')
/** The build that all test files share: scripts/test names its folder. */
const shared = process.env['NODEPLANE_BUILD']

/** The command line as it is written: tests that break a module of it by `--require` find that only here. */
export const SOURCES = join(root, 'src/main.ts')

/** The command line, for Node: of the shared build, which starts in a third of the time, else of the sources. */
export const MAIN = shared === undefined ? SOURCES : join(shared, 'lib/nodeplane.mjs')

/** Gives the folder of a build to use: the shared one, else a new one in `folder`. */
export async function buildOr(folder: string): Promise<string> {
  if (shared === undefined) await buildInto(folder)
  return shared ?? folder
}

/** Makes a build in a folder of the test, which may then change it. */
export async function buildInto(folder: string): Promise<void> {
  await exec(join(root, 'scripts/build'), [folder], { timeoutMs: 120_000 })
}
