import { resolve } from 'node:path'
import { parseSpan, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { parseRegex } from '../../regex.ts'
import { readFallthrough } from '../fallthrough.ts'
import { type OptionReader, readOptions } from '../option-readers.ts'

/** What an `auto` directive says. */
export type AutoOptions = {
  readonly zones: readonly string[]
  readonly directory: string
  /** Files whose names it matches are zone files. */
  readonly pattern: RegExp
  /** The zone of a file: `{1}` is the first group of the pattern. */
  readonly originTemplate: string
  /** 0: the folder is read once. */
  readonly reloadMs: number
  readonly fallthrough: readonly string[] | undefined
}

type Draft = { -readonly [Option in keyof AutoOptions]: AutoOptions[Option] } & { root: string }

/** Reads an `auto` directive. @throws {ConfigError} */
export function parseAuto(
  directive: Directive,
  { zones, directory }: { readonly zones: readonly string[]; readonly directory: string },
): AutoOptions {
  const problems = new DirectiveProblems('auto')
  const { args } = directive
  const draft: Draft = {
    zones: args.length > 0 ? readZones(directive, args, problems) : zones,
    root: directory,
    directory: '',
    pattern: /db\.(.*)/s,
    originTemplate: '{1}',
    reloadMs: 60_000,
    fallthrough: undefined,
  }
  if (!(directive.block ?? []).some(({ name }) => name === 'directory')) {
    problems.add(directive, 'needs a line: directory DIR')
  }
  readOptions(directive, draft, readers, problems)
  return draft
}

/** The zone of a file name, or undefined when it is no zone file. */
export function originOf({ pattern, originTemplate }: AutoOptions, fileName: string) {
  const groups = pattern.exec(fileName)
  if (groups === null) return undefined
  return originTemplate.replace(/\{(\d{1,2})\}/g, (_, index: string) => groups[Number(index)] ?? '')
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  directory(option, draft, problems) {
    const [directory, pattern, template, ...more] = option.args
    if (
      directory === undefined ||
      more.length > 0 ||
      (pattern !== undefined && template === undefined)
    ) {
      problems.add(
        option,
        'needs a folder, and may have a pattern and an origin: directory zones db\\.(.*) {1}',
      )
      return
    }
    draft.directory = resolve(draft.root, directory)
    if (pattern === undefined || template === undefined) return
    const regex = parseRegex(pattern)
    if (typeof regex === 'string') problems.add(option, regex)
    else draft.pattern = regex
    draft.originTemplate = template.replace(/\$\{(\d+)\}/g, '{$1}')
  },
  reload(option, draft, problems) {
    const ms = option.args.length === 1 ? parseSpan(option.args[0] ?? '') : undefined
    if (ms === undefined) problems.add(option, 'needs one duration, e.g. 1m; 0s reads once')
    else draft.reloadMs = ms
  },
  fallthrough(option, draft, problems) {
    draft.fallthrough = readFallthrough(option, problems)
  },
  upstream: () => undefined,
}
