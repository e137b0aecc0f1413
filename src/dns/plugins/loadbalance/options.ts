import { resolve } from 'node:path'
import { type IpPrefix, parsePrefixLenient } from '#net/prefix.ts'
import { parseSpan } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { hasArguments, readOptions } from '../option-readers.ts'

/** What a `loadbalance` directive says. */
export type LoadbalanceOptions = {
  /** Of `weighted`; undefined: `round_robin`. */
  readonly weights: { readonly path: string; readonly reloadMs: number } | undefined
  /** Addresses in these come first. */
  readonly preferred: readonly IpPrefix[]
}

type Draft = { path: string | undefined; reloadMs: number | undefined; preferred: IpPrefix[] }

const DEFAULT_RELOAD_MS = 30_000

/** Reads a `loadbalance` directive. @throws {ConfigError} */
export function parseLoadbalance(directive: Directive, directory: string): LoadbalanceOptions {
  const problems = new DirectiveProblems('loadbalance')
  const [policy = 'round_robin', path, ...more] = directive.args
  const isWeighted = policy === 'weighted'
  if (!isWeighted && policy !== 'round_robin') {
    problems.add(directive, `'${policy}' is no policy; there are round_robin and weighted`)
  } else if (more.length > 0 || (path !== undefined) !== isWeighted) {
    problems.add(directive, 'needs nothing, round_robin, or weighted and a file')
  }
  const draft: Draft = { path, reloadMs: undefined, preferred: [] }
  readOptions(directive, draft, readers, problems)
  if (draft.reloadMs !== undefined && !isWeighted) {
    problems.add(directive, 'reload is for weighted: remove it')
  }
  problems.throwIfAny()
  const { reloadMs = DEFAULT_RELOAD_MS, preferred } = draft
  const weights = path === undefined ? undefined : { path: resolve(directory, path), reloadMs }
  return { weights, preferred }
}

const readers = {
  reload(option: Directive, draft: Draft, problems: DirectiveProblems): void {
    if (!hasArguments(option, 1, problems)) return
    draft.reloadMs = parseSpan(option.args[0] ?? '')
    if (draft.reloadMs === undefined) problems.add(option, 'needs a duration, 0s for never')
  },
  prefer(option: Directive, draft: Draft, problems: DirectiveProblems): void {
    if (option.args.length === 0) problems.add(option, 'needs subnets, as 10.0.0.0/8')
    for (const text of option.args) {
      const prefix = parsePrefixLenient(text)
      if (prefix === undefined) problems.add(option, `'${text}' is no subnet, as 10.0.0.0/8`)
      else draft.preferred.push(prefix)
    }
  },
}
