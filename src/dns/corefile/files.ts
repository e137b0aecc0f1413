import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the parser may touch of the machine. */
export type CorefileSystem = {
  readonly env: Readonly<Record<string, string | undefined>>
  /** @throws the system error. */
  readonly read: (path: string) => string
  /** The paths that match, sorted; `*` and `?` do not match a slash. */
  readonly glob: (pattern: string) => readonly string[]
}

/** The machine's files. Read synchronously: a Corefile is small and read at start and reload only. */
export const fileSystem = (env: CorefileSystem['env']): CorefileSystem => ({
  env,
  read: path => readFileSync(path, 'utf8'),
  glob: pattern => globFiles(pattern),
})

function globFiles(pattern: string): readonly string[] {
  let found = [pattern.startsWith('/') ? '/' : '.']
  for (const segment of pattern.split('/').filter(part => part !== '')) {
    found = /[*?]/.test(segment)
      ? found.flatMap(directory => matchesIn(directory, segment))
      : found.map(directory => join(directory, segment))
  }
  return found.filter(path => existsSync(path))
}

function matchesIn(directory: string, segment: string): readonly string[] {
  const source = segment
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.')
  const wanted = new RegExp(`^${source}$`, 's')
  return entriesOf(directory)
    .filter(name => wanted.test(name))
    .sort()
    .map(name => join(directory, name))
}

/** A folder that is not there has no entries: as with any glob, nothing matches. */
function entriesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
