import { resolve } from 'node:path'
import { parseSpan, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { readFallthrough } from '../fallthrough.ts'
import { hasArguments, type OptionReader, readOptions } from '../option-readers.ts'

/** What a `file` directive says. */
export type FileOptions = {
  readonly path: string
  readonly zones: readonly string[]
  /** 0: the file is read once. */
  readonly reloadMs: number
  /** Is a file whose SOA serial did not change served too? */
  readonly reloadsByMtime: boolean
  readonly fallthrough: readonly string[] | undefined
}

type Draft = { -readonly [Option in keyof FileOptions]: FileOptions[Option] }

/** Reads a `file` directive. @throws {ConfigError} */
export function parseFile(
  directive: Directive,
  { zones, directory }: { readonly zones: readonly string[]; readonly directory: string },
): FileOptions {
  const problems = new DirectiveProblems('file')
  const [path, ...names] = directive.args
  if (path === undefined) problems.add(directive, 'needs a zone file, e.g. file db.example.org')
  const draft: Draft = {
    path: resolve(directory, path ?? '.'),
    zones: names.length > 0 ? readZones(directive, names, problems) : zones,
    reloadMs: 60_000,
    reloadsByMtime: false,
    fallthrough: undefined,
  }
  readOptions(directive, draft, readers, problems)
  return draft
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  reload(option, draft, problems) {
    const ms = option.args.length === 1 ? parseSpan(option.args[0] ?? '') : undefined
    if (ms === undefined) problems.add(option, 'needs one duration, e.g. 1m; 0s reads once')
    else draft.reloadMs = ms
  },
  reload_by_mtime(option, draft, problems) {
    if (hasArguments(option, 0, problems)) draft.reloadsByMtime = true
  },
  fallthrough(option, draft, problems) {
    draft.fallthrough = readFallthrough(option, problems)
  },
  // It has no meaning any more: aliases are looked up through the server.
  upstream: () => undefined,
}
