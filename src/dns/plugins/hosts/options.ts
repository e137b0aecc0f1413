import { resolve } from 'node:path'
import { parseIp } from '#net/ip.ts'
import { parseInteger, parseSpan, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { readFallthrough } from '../fallthrough.ts'
import { hasArguments, type OptionReader, readOptions } from '../option-readers.ts'

/** What a `hosts` directive says. */
export type HostsOptions = {
  readonly path: string
  readonly zones: readonly string[]
  /** Seconds. */
  readonly ttl: number
  /** 0: the file is read once. */
  readonly reloadMs: number
  readonly reverse: boolean
  readonly fallthrough: readonly string[] | undefined
  readonly fallthroughUnsupported: boolean
  /** Lines in the braces, as words. */
  readonly inline: readonly (readonly string[])[]
}

type Draft = { -readonly [Option in keyof HostsOptions]: HostsOptions[Option] } & {
  inline: (readonly string[])[]
}

/** Reads a `hosts` directive. @throws {ConfigError} */
export function parseHosts(
  directive: Directive,
  { zones, directory }: { readonly zones: readonly string[]; readonly directory: string },
): HostsOptions {
  const problems = new DirectiveProblems('hosts')
  const [file = '/etc/hosts', ...names] = directive.args
  const draft: Draft = {
    path: resolve(directory, file),
    zones: names.length > 0 ? readZones(directive, names, problems) : zones,
    ttl: 3600,
    reloadMs: 5000,
    reverse: true,
    fallthrough: undefined,
    fallthroughUnsupported: false,
    inline: [],
  }
  const isEntry = ({ name }: Directive) => parseIp(name.replace(/%.*$/s, '')) !== undefined
  const lines = directive.block ?? []
  for (const { name, args } of lines.filter(isEntry)) draft.inline.push([name, ...args])
  const options = lines.filter(line => !isEntry(line))
  readOptions({ ...directive, block: options }, draft, readers, problems)
  return draft
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  ttl(option, draft, problems) {
    const ttl = option.args.length === 1 ? parseInteger(option.args[0], 1, 65_535) : undefined
    if (ttl === undefined) problems.add(option, 'needs one number of seconds, 1 to 65535')
    else draft.ttl = ttl
  },
  reload(option, draft, problems) {
    const ms = option.args.length === 1 ? parseSpan(option.args[0] ?? '') : undefined
    if (ms === undefined) problems.add(option, 'needs one duration, e.g. 5s; 0s reads once')
    else draft.reloadMs = ms
  },
  no_reverse(option, draft, problems) {
    if (hasArguments(option, 0, problems)) draft.reverse = false
  },
  fallthrough(option, draft, problems) {
    draft.fallthrough = readFallthrough(option, problems)
  },
  fallthrough_unsupported(option, draft, problems) {
    if (hasArguments(option, 0, problems)) draft.fallthroughUnsupported = true
  },
}
