import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The folder with this build's executables: dist/cni, beside the bundle (dist/lib) or seen from the sources. */
export const builtExecutables = (): string =>
  ['../cni', '../../../dist/cni']
    .map(path => join(import.meta.dirname, path))
    .find(path => existsSync(join(path, 'bridge'))) ?? '/usr/lib/nodeplane/cni'
