import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import { digestAt, digestOf, linkAtomically, writeAtomically } from './files.ts'
import {
  type InstallManifest,
  manifestIn,
  readManifest,
  removeManifest,
  writeManifest,
} from './manifest.ts'

export type InstallOptions = {
  /** Where the runtime looks for executables. */
  readonly binDir: string
  /** Where it looks for configurations. */
  readonly confDir: string
  /** The folder with our executables (dist/cni), and which of them. */
  readonly from: string
  readonly plugins: readonly string[]
  readonly conflist: { readonly name: string; readonly text: string }
  /** Files of others under our names are replaced instead of refused. */
  readonly replace: boolean
  /** Resolves when the node can serve pods; rejects when it cannot. */
  readonly untilReady: () => Promise<void>
  /** Told of each step. */
  readonly say: (line: string) => void
}

type NewFile = { readonly path: string; readonly content: Uint8Array | string }

/**
 * Writes the executables, then, once the node is ready, the network configuration: its being there is what makes a runtime
 * call the node ready. Every file is replaced whole; what is written is noted first, so that `uninstall` knows it after a
 * crash too.
 * @throws {ConfigError} files of others are in the way, or ours are missing; nothing is written then.
 */
export async function install(options: InstallOptions): Promise<void> {
  const { binDir, confDir, conflist, say } = options
  const executables = readExecutables(options)
  const list: NewFile = { path: join(confDir, conflist.name), content: conflist.text }
  const known = readManifest(confDir)
  refuseForeign([...executables, list], known, options)
  for (const folder of [binDir, confDir]) mkdirSync(folder, { recursive: true, mode: 0o755 })
  const wanted = new Map([...executables, list].map(file => [file.path, digestOf(file.content)]))
  writeManifest(confDir, merge(known, wanted))
  writeExecutables(executables)
  say(`executables: ${executables.map(({ path }) => path).join(', ')}`)
  await options.untilReady()
  if (digestAt(list.path) !== wanted.get(list.path)) {
    writeAtomically(list.path, list.content, 0o600)
  }
  say(`configuration: ${list.path}`)
  removeFormer(known, new Set(wanted.keys()), say)
  writeManifest(confDir, new Map([...wanted].map(([path, digest]) => [path, [digest]])))
  const first = readdirSync(confDir).filter(isConfiguration).toSorted()[0]
  if (first !== undefined && first !== conflist.name) {
    say(`warning: ${join(confDir, first)} comes first by its name, so runtimes take that one`)
  }
}

/** Removes what `install` has written, the configuration first; files that others have changed since stay. */
export function uninstall({ confDir, say }: Pick<InstallOptions, 'confDir' | 'say'>): void {
  const manifest = readManifest(confDir)
  // The configuration was noted last.
  const backwards = new Map([...manifest].toReversed())
  removeFormer(backwards, new Set(), say)
  removeManifest(confDir)
}

/** What an install has written and is still there, its own note among it. @throws {InstallError} the note is damaged. */
export const installedPaths = (confDir: string): readonly string[] =>
  [...readManifest(confDir).keys(), manifestIn(confDir)].filter(path => existsSync(path))

function readExecutables({ from, binDir, plugins }: InstallOptions): readonly NewFile[] {
  const problems: ConfigProblem[] = []
  const files = plugins.flatMap(name => {
    try {
      return { path: join(binDir, name), content: readFileSync(join(from, name)) }
    } catch (error) {
      problems.push({ field: '--from', message: `${join(from, name)}: ${String(error)}` })
      return []
    }
  })
  if (problems.length > 0) throw new ConfigError(problems)
  return files
}

/** What is there must be missing, ours, or the same already. */
function refuseForeign(
  files: readonly NewFile[],
  known: InstallManifest,
  { replace }: InstallOptions,
): void {
  if (replace) return
  const foreign = files.filter(({ path, content }) => {
    const there = digestAt(path)
    return (
      there !== undefined && there !== digestOf(content) && !(known.get(path) ?? []).includes(there)
    )
  })
  if (foreign.length === 0) return
  const message = 'is not ours; --replace replaces it'
  throw new ConfigError(foreign.map(({ path }) => ({ file: path, message })))
}

/** Equal ones become names of one file: a node has a dozen of them. */
function writeExecutables(files: readonly NewFile[]): void {
  const written = new Map<string, string>()
  for (const { path, content } of files) {
    const digest = digestOf(content)
    const same = written.get(digest)
    if (same === undefined) writeAtomically(path, content, 0o755)
    else linkAtomically(same, path)
    written.set(digest, same ?? path)
  }
}

function merge(known: InstallManifest, wanted: ReadonlyMap<string, string>): InstallManifest {
  const merged = new Map(known)
  for (const [path, digest] of wanted) {
    // Deleted first, so that what is written last is noted last.
    const before = merged.get(path) ?? []
    merged.delete(path)
    merged.set(path, [...before, digest])
  }
  return merged
}

function removeFormer(
  manifest: InstallManifest,
  kept: ReadonlySet<string>,
  say: (line: string) => void,
): void {
  for (const [path, digests] of manifest) {
    if (kept.has(path)) continue
    const there = digestAt(path)
    if (there === undefined) continue
    if (digests.includes(there)) {
      rmSync(path)
      say(`removed ${path}`)
    } else {
      say(`left ${path}: somebody has changed it`)
    }
  }
}

/** Would a runtime read it? */
const isConfiguration = (name: string): boolean => /\.(conf|conflist|json)$/.test(name)
