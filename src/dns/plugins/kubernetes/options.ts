import type { Labels } from '#cluster/objects.ts'
import { parseLabelSelector, SelectorError, selectorMatches } from '#cluster/selector.ts'
import { parseInteger, parseSpan, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import type { ClusterConnection } from '../../plugin.ts'
import { isReverseZone } from '../../zone/reverse-name.ts'
import type { PodMode } from '../../zone/zone-options.ts'
import { checkConnection, connectionReaders } from '../connection-options.ts'

/** What a `kubernetes` block says. */
export type KubernetesOptions = {
  readonly zones: readonly string[]
  /** The first zone that is not reverse, of the cluster's own ones if there are such. */
  readonly primaryZone: string
  /** Seconds. */
  readonly ttl: number
  readonly pods: PodMode
  readonly namespaces: ReadonlySet<string> | undefined
  readonly namespaceLabels: Selector | undefined
  /** Of Services, slices and Pods. */
  readonly labels: Selector | undefined
  /** Zones with the names of a set of clusters; all among {@link zones}. */
  readonly multicluster: readonly string[]
  /** Have headless Services names for the endpoints in a zone of the topology? */
  readonly zonal: boolean
  readonly endpointPodNames: boolean
  /** false: slices are not looked at. */
  readonly endpoints: boolean
  readonly ignoreEmptyServices: boolean
  /** Names in these zones go on to the next plugin instead of being denied; undefined: none. */
  readonly fallthrough: readonly string[] | undefined
  readonly startupTimeoutMs: number
  readonly connection: ClusterConnection
}

export type Selector = { readonly text: string; readonly matches: (labels: Labels) => boolean }

type Draft = { -readonly [Option in keyof KubernetesOptions]: KubernetesOptions[Option] }

const MAX_TTL = 3600

/**
 * Reads a `kubernetes` directive.
 * @param context.zones those of the server block, when the directive names none.
 * @param context.directory relative paths start here.
 * @throws {ConfigError}
 */
export function parseKubernetes(
  directive: Directive,
  context: { readonly zones: readonly string[]; readonly directory: string },
): KubernetesOptions {
  const problems = new DirectiveProblems('kubernetes')
  const zones =
    directive.args.length > 0 ? readZones(directive, directive.args, problems) : context.zones
  const primaryZone = zones.find(zone => !isReverseZone(zone))
  if (primaryZone === undefined) {
    problems.add(directive, 'has reverse zones only: name the cluster’s domain, e.g. cluster.local')
  }
  const draft: Draft = { ...defaults, zones, primaryZone: primaryZone ?? '.' }
  for (const option of directive.block ?? []) {
    const read = Object.hasOwn(optionReaders, option.name) ? optionReaders[option.name] : undefined
    if (read === undefined) problems.add(option, refusals.get(option.name) ?? UNKNOWN)
    else read(option, { draft, problems, directory: context.directory })
  }
  checkZones(directive, draft, problems)
  if (draft.namespaces !== undefined && draft.namespaceLabels !== undefined) {
    problems.add(directive, 'has both namespaces and namespace_labels: choose one')
  }
  checkConnection(directive, draft.connection, problems)
  problems.throwIfAny()
  return draft
}

function checkZones(directive: Directive, draft: Draft, problems: DirectiveProblems): void {
  const { zones, multicluster } = draft
  for (const zone of multicluster.filter(zone => !zones.includes(zone) || isReverseZone(zone))) {
    problems.add(directive, `multicluster: ${zone} is no forward zone of this kubernetes`)
  }
  const own = zones.find(zone => !isReverseZone(zone) && !multicluster.includes(zone))
  draft.primaryZone = own ?? draft.primaryZone
  if (draft.zonal && !draft.endpoints) {
    problems.add(directive, 'has both zonal and noendpoints: zonal is about endpoints')
  }
}

const defaults = {
  ttl: 5,
  multicluster: [],
  zonal: false,
  pods: 'disabled',
  namespaces: undefined,
  namespaceLabels: undefined,
  labels: undefined,
  endpointPodNames: false,
  endpoints: true,
  ignoreEmptyServices: false,
  fallthrough: undefined,
  startupTimeoutMs: 5000,
  connection: {},
} as const

const UNKNOWN = 'unknown option'
const refusals: ReadonlyMap<string, string> = new Map([
  ['apiserver_qps', 'not needed: lists and watches are not limited by rate; remove it'],
  ['apiserver_burst', 'not needed: lists and watches are not limited by rate; remove it'],
  ['apiserver_max_inflight', 'not needed: there is one request per kind; remove it'],
  ['transfer', 'not an option here: use the transfer plugin'],
  ['upstream', 'not needed: ExternalName targets are looked up through this server; remove it'],
  ['resyncperiod', 'not needed: watches do not resync; remove it'],
])

type Reading = {
  readonly draft: Draft
  readonly problems: DirectiveProblems
  readonly directory: string
}

const optionReaders: Readonly<Record<string, (option: Directive, reading: Reading) => void>> = {
  ttl(option, { draft, problems }) {
    const ttl = option.args.length === 1 ? parseInteger(option.args[0], 0, MAX_TTL) : undefined
    if (ttl === undefined) problems.add(option, `needs one number of seconds, 0 to ${MAX_TTL}`)
    else draft.ttl = ttl
  },
  pods(option, { draft, problems }) {
    const [mode] = option.args
    if (option.args.length === 1 && isPodMode(mode)) draft.pods = mode
    else problems.add(option, 'needs one of disabled, insecure, verified')
  },
  namespaces(option, { draft, problems }) {
    if (option.args.length === 0) problems.add(option, 'needs at least one namespace')
    draft.namespaces = new Set(option.args.map(name => name.toLowerCase()))
  },
  namespace_labels(option, { draft, problems }) {
    draft.namespaceLabels = selectorOf(option, problems)
  },
  labels(option, { draft, problems }) {
    draft.labels = selectorOf(option, problems)
  },
  endpoint_pod_names(option, { draft, problems }) {
    needArguments(option, 0, problems)
    draft.endpointPodNames = true
  },
  multicluster(option, { draft, problems }) {
    if (option.args.length === 0) problems.add(option, 'needs at least one zone: clusterset.local')
    draft.multicluster = readZones(option, option.args, problems)
  },
  zonal(option, { draft, problems }) {
    needArguments(option, 0, problems)
    draft.zonal = true
  },
  noendpoints(option, { draft, problems }) {
    needArguments(option, 0, problems)
    draft.endpoints = false
  },
  ignore(option, { draft, problems }) {
    if (option.args.join(' ') !== 'empty_service') problems.add(option, 'knows empty_service only')
    draft.ignoreEmptyServices = true
  },
  fallthrough(option, { draft, problems }) {
    draft.fallthrough = option.args.length === 0 ? ['.'] : readZones(option, option.args, problems)
  },
  startup_timeout(option, { draft, problems }) {
    const duration = option.args.length === 1 ? parseSpan(option.args[0] ?? '') : undefined
    if (duration === undefined) problems.add(option, 'needs one duration, e.g. 5s')
    else draft.startupTimeoutMs = duration
  },
  ...connectionReaders,
}

function needArguments(option: Directive, count: number, problems: DirectiveProblems): void {
  if (option.args.length === count) return
  const what = count === 0 ? 'no argument' : `${count} argument`
  problems.add(option, `takes ${what}, not ${option.args.length} arguments`)
}

const isPodMode = (text: string | undefined): text is PodMode =>
  text === 'disabled' || text === 'insecure' || text === 'verified'

function selectorOf(option: Directive, problems: DirectiveProblems): Selector | undefined {
  const text = option.args.join(' ')
  if (text === '') problems.add(option, 'needs a label selector, e.g. env in (a, b),tier!=db')
  try {
    const selector = parseLabelSelector(text)
    return { text, matches: labels => selectorMatches(selector, labels) }
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error
    problems.add(option, error.message)
    return undefined
  }
}
