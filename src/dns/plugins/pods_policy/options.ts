import { resolve } from 'node:path'
import { type IpAddress, parseIp } from '#net/ip.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { normalizeName } from '../../name.ts'
import type { ClusterConnection } from '../../plugin.ts'
import { checkConnection, connectionReaders } from '../connection-options.ts'
import { hasArguments, type OptionReader, readOptions } from '../option-readers.ts'

/** What a `pods_policy` directive says; undefined: it does not say. */
export type PodsPolicyOptions = {
  /** The name of this node. */
  readonly node: string | undefined
  /** Without final dot. */
  readonly clusterDomain: string | undefined
  readonly clusterDns: readonly IpAddress[] | undefined
  readonly resolvConf: string | undefined
  readonly connection: ClusterConnection
}

type Draft = { -readonly [Option in keyof PodsPolicyOptions]: PodsPolicyOptions[Option] }

/** Reads a `pods_policy` directive; relative paths start at `directory`. @throws {ConfigError} */
export function parsePodsPolicy(directive: Directive, directory: string): PodsPolicyOptions {
  const problems = new DirectiveProblems('pods_policy')
  if (directive.args.length > 0) problems.add(directive, 'takes no arguments, only options')
  const draft: Draft = {
    node: undefined,
    clusterDomain: undefined,
    clusterDns: undefined,
    resolvConf: undefined,
    connection: {},
  }
  readOptions(directive, draft, readersIn(directory), problems)
  checkConnection(directive, draft.connection, problems)
  problems.throwIfAny()
  return draft
}

const readersIn = (directory: string): Readonly<Record<string, OptionReader<Draft>>> => ({
  node(option, draft, problems) {
    if (hasArguments(option, 1, problems)) draft.node = option.args[0]
  },
  cluster_domain(option, draft, problems) {
    const name = option.args.length === 1 ? normalizeName(option.args[0] ?? '') : undefined
    if (name === undefined) problems.add(option, 'needs one domain, e.g. cluster.local')
    else draft.clusterDomain = name.slice(0, -1)
  },
  cluster_dns(option, draft, problems) {
    const addresses = option.args.map(parseIp).filter(ip => ip !== undefined)
    if (addresses.length === 0 || addresses.length < option.args.length) {
      problems.add(option, 'needs addresses, e.g. 10.96.0.10')
    }
    draft.clusterDns = addresses
  },
  resolv_conf(option, draft, problems) {
    if (hasArguments(option, 1, problems)) {
      draft.resolvConf = resolve(directory, option.args[0] ?? '')
    }
  },
  ...Object.fromEntries(
    Object.entries(connectionReaders).map(([name, read]): [string, OptionReader<Draft>] => [
      name,
      (option, draft, problems) => read(option, { draft, problems, directory }),
    ]),
  ),
})
