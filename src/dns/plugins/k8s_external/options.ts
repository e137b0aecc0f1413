import { parseInteger, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { readFallthrough } from '../fallthrough.ts'
import { hasArguments, type OptionReader, readOptions } from '../option-readers.ts'

/** What a `k8s_external` directive says. */
export type ExternalOptions = {
  readonly zones: readonly string[]
  /** The label below each zone where its name server is. */
  readonly apex: string
  /** Seconds. */
  readonly ttl: number
  readonly headless: boolean
  readonly fallthrough: readonly string[] | undefined
}

type Draft = { -readonly [Option in keyof ExternalOptions]: ExternalOptions[Option] }

/** Reads a `k8s_external` directive. @throws {ConfigError} */
export function parseExternal(
  directive: Directive,
  blockZones: readonly string[],
): ExternalOptions {
  const problems = new DirectiveProblems('k8s_external')
  const { args } = directive
  const draft: Draft = {
    zones: args.length > 0 ? readZones(directive, args, problems) : blockZones,
    apex: 'dns',
    ttl: 5,
    headless: false,
    fallthrough: undefined,
  }
  readOptions(directive, draft, readers, problems)
  return draft
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  apex(option, draft, problems) {
    const [label = ''] = option.args
    if (!hasArguments(option, 1, problems)) return
    if (/^[a-z0-9_-]{1,63}$/i.test(label)) draft.apex = label.toLowerCase()
    else problems.add(option, `'${label}' is no label`)
  },
  ttl(option, draft, problems) {
    const ttl = option.args.length === 1 ? parseInteger(option.args[0], 0, 3600) : undefined
    if (ttl === undefined) problems.add(option, 'needs one number of seconds, 0 to 3600')
    else draft.ttl = ttl
  },
  headless(option, draft, problems) {
    if (hasArguments(option, 0, problems)) draft.headless = true
  },
  fallthrough(option, draft, problems) {
    draft.fallthrough = readFallthrough(option, problems)
  },
}
