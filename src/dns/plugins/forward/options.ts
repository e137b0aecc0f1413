import { parseIp } from '#net/ip.ts'
import { parseInteger, parseSpan, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { toFqdn } from '../../name.ts'
import { rcodes } from '../../wire/mnemonics.ts'
import { resolveHost } from './resolve-host.ts'
import { readDohMethod, readServerName, readSourceAddress, readTls } from './stream-options.ts'
import type { StreamOptions } from './streams.ts'
import { parseTarget, type UpstreamAddress, type UpstreamServer } from './targets.ts'

export type Policy = 'random' | 'round_robin' | 'sequential'

/** What one `forward` directive says. */
export type ForwardOptions = StreamOptions & {
  /** Names in this zone are forwarded … */
  readonly from: string
  /** … but not those in these. */
  readonly except: readonly string[]
  readonly upstreams: readonly UpstreamServer[]
  readonly policy: Policy
  /** `client`: as the client asked. `udp-first`: by UDP, and again by TCP what was truncated. */
  readonly transport: 'client' | 'tcp' | 'udp-first'
  /** Queries at a time; above it they are refused. */
  readonly maxConcurrent: number
  /** So many probes in a row may fail; 0: servers are neither probed nor left out. */
  readonly maxFails: number
  readonly failfast: boolean
  readonly health: HealthOptions
  readonly readTimeoutMs: number
  readonly maxAttempts: number
  /** Answers of these rcodes make the next server be asked. */
  readonly failover: ReadonlySet<string>
  /** Answers of these rcodes make the next directive be asked. */
  readonly next: ReadonlySet<string>
  readonly nextOnNoData: boolean
}

export type HealthOptions = {
  readonly intervalMs: number
  readonly name: string
  readonly recursionDesired: boolean
}

type Draft = { -readonly [Option in keyof ForwardOptions]: ForwardOptions[Option] }
type Reading = {
  readonly draft: Draft
  readonly problems: DirectiveProblems
  readonly directory: string
}

const MAX_UPSTREAMS = 15

/** CoreDNS has no limit unless told; nothing here is without. */
const DEFAULT_MAX_CONCURRENT = 4096

/** What "no limit" of tries means: failing ones can be very quick. */
const MANY_ATTEMPTS = 100

/**
 * Reads the `forward` directives of a server block.
 * @throws {ConfigError}
 */
export async function parseForward(
  directives: readonly Directive[],
  directory: string,
): Promise<readonly ForwardOptions[]> {
  const problems = new DirectiveProblems('forward')
  const all: ForwardOptions[] = []
  for (const directive of directives) all.push(await parseOne(directive, directory, problems))
  problems.throwIfAny()
  return all
}

async function parseOne(
  directive: Directive,
  directory: string,
  problems: DirectiveProblems,
): Promise<ForwardOptions> {
  const [fromText, ...to] = directive.args
  if (fromText === undefined || to.length === 0) {
    problems.add(directive, 'needs a zone and at least one server: forward . 192.0.2.53')
  }
  const upstreams = await upstreamsOf(directive, to, { directory, problems })
  const draft: Draft = {
    ...defaults,
    from: readZones(directive, [fromText ?? '.'], problems)[0] ?? '.',
    upstreams,
    maxAttempts: attemptsFor(upstreams),
  }
  for (const option of directive.block ?? []) {
    const read = Object.hasOwn(optionReaders, option.name) ? optionReaders[option.name] : undefined
    if (read === undefined) problems.add(option, 'unknown option')
    else read(option, { draft, problems, directory })
  }
  return draft
}

/** What `forward . UPSTREAMS` says, without options. */
export const plainForward = (upstreams: readonly UpstreamServer[]): ForwardOptions => ({
  ...defaults,
  from: '.',
  upstreams,
  maxAttempts: attemptsFor(upstreams),
})

/** One server is tried twice as well: a datagram may be lost. */
const attemptsFor = (upstreams: readonly UpstreamServer[]): number => 2 * upstreams.length

const defaults = {
  except: [],
  policy: 'random',
  transport: 'client',
  maxConcurrent: DEFAULT_MAX_CONCURRENT,
  maxFails: 2,
  failfast: false,
  health: { intervalMs: 500, name: '.', recursionDesired: true },
  expireMs: 10_000,
  maxAgeMs: Number.POSITIVE_INFINITY,
  maxIdleConnections: Number.POSITIVE_INFINITY,
  dohMethod: 'POST',
  tls: {},
  tlsServerName: undefined,
  sourceAddress: undefined,
  readTimeoutMs: 2000,
  failover: new Set<string>(),
  next: new Set<string>(),
  nextOnNoData: false,
} as const

async function upstreamsOf(
  directive: Directive,
  texts: readonly string[],
  { directory, problems }: { readonly directory: string; readonly problems: DirectiveProblems },
): Promise<readonly UpstreamServer[]> {
  const upstreams: UpstreamServer[] = []
  const resolvers = resolversOf(directive, problems)
  const surroundings = { directory, resolveHost: (host: string) => resolveHost(host, resolvers) }
  for (const text of texts) {
    const found = await parseTarget(text, surroundings)
    if (typeof found === 'string') problems.add(directive, found)
    else upstreams.push(...found)
  }
  if (upstreams.length > MAX_UPSTREAMS) {
    problems.add(directive, `has ${upstreams.length} servers: at most ${MAX_UPSTREAMS}`)
  }
  return upstreams
}

/** The servers that look up the host names among TO (`resolver`); none: the system does. */
function resolversOf(
  { block = [] }: Directive,
  problems: DirectiveProblems,
): readonly UpstreamAddress[] {
  return block
    .filter(({ name }) => name === 'resolver')
    .flatMap(option => {
      const addresses = option.args.map(text => parseIp(text))
      if (addresses.length > 0 && addresses.every(address => address !== undefined)) {
        return addresses.map(address => ({ address, port: 53 }))
      }
      problems.add(option, 'needs addresses')
      return []
    })
}

const optionReaders: Readonly<Record<string, (option: Directive, reading: Reading) => void>> = {
  except(option, { draft, problems }) {
    if (option.args.length === 0) problems.add(option, 'needs at least one zone')
    draft.except = [...draft.except, ...readZones(option, option.args, problems)]
  },
  policy(option, { draft, problems }) {
    const [policy] = option.args
    if (option.args.length === 1 && isPolicy(policy)) draft.policy = policy
    else problems.add(option, 'needs one of random, round_robin, sequential')
  },
  force_tcp(option, { draft, problems }) {
    refuseArguments(option, problems)
    draft.transport = 'tcp'
  },
  prefer_udp(option, { draft, problems }) {
    refuseArguments(option, problems)
    if (draft.transport !== 'tcp') draft.transport = 'udp-first'
  },
  max_concurrent(option, { draft, problems }) {
    const limit = readNumber(option, problems)
    if (limit !== undefined) draft.maxConcurrent = limit === 0 ? DEFAULT_MAX_CONCURRENT : limit
  },
  max_fails(option, { draft, problems }) {
    draft.maxFails = readNumber(option, problems) ?? draft.maxFails
  },
  failfast_all_unhealthy_upstreams(option, { draft, problems }) {
    refuseArguments(option, problems)
    draft.failfast = true
  },
  health_check: readHealthCheck,
  expire(option, { draft, problems }) {
    draft.expireMs = readDuration(option, problems) ?? draft.expireMs
  },
  max_age(option, { draft, problems }) {
    draft.maxAgeMs = readDuration(option, problems) ?? draft.maxAgeMs
  },
  tls(option, { draft, problems, directory }) {
    draft.tls = readTls(option, directory, problems) ?? draft.tls
  },
  tls_servername(option, { draft, problems }) {
    draft.tlsServerName = readServerName(option, problems)
    const named = draft.upstreams.find(
      ({ protocol, serverName }) => protocol === 'tls' && serverName !== undefined,
    )
    if (named !== undefined) {
      problems.add(option, `a server has a name of its own, ${named.serverName}: give one of both`)
    }
  },
  doh_method(option, { draft, problems }) {
    draft.dohMethod = readDohMethod(option, problems) ?? draft.dohMethod
  },
  source_address(option, { draft, problems }) {
    draft.sourceAddress = readSourceAddress(option, problems)
  },
  // Read before the servers, whose names it looks up.
  resolver() {},
  read_timeout(option, { draft, problems }) {
    draft.readTimeoutMs = readDuration(option, problems) ?? draft.readTimeoutMs
  },
  max_idle_conns(option, { draft, problems }) {
    const limit = readNumber(option, problems)
    if (limit !== undefined && limit > 0) draft.maxIdleConnections = limit
  },
  max_connect_attempts(option, { draft, problems }) {
    const limit = readNumber(option, problems)
    if (limit !== undefined) draft.maxAttempts = limit === 0 ? MANY_ATTEMPTS : limit
  },
  failover(option, { draft, problems }) {
    if (option.args.some(text => text.toUpperCase() === 'NOERROR')) {
      problems.add(option, 'cannot be NOERROR')
    }
    draft.failover = rcodesOf(option, problems)
  },
  next(option, { draft, problems }) {
    draft.next = rcodesOf(option, problems)
  },
  next_on_nodata(option, { draft, problems }) {
    refuseArguments(option, problems)
    draft.nextOnNoData = true
  },
}

function readHealthCheck(option: Directive, { draft, problems }: Reading): void {
  const [duration = '', ...words] = option.args
  const intervalMs = parseSpan(duration)
  let { name, recursionDesired } = draft.health
  let isKnown = intervalMs !== undefined && intervalMs > 0
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === 'no_rec') recursionDesired = false
    else if (word === 'domain' && words.length > 0) name = toFqdn(words.shift() ?? '.')
    else isKnown = false
  }
  if (!isKnown) problems.add(option, 'needs a duration, and may have no_rec and domain NAME')
  draft.health = { intervalMs: intervalMs ?? 0, name, recursionDesired }
}

const isPolicy = (text: string | undefined): text is Policy =>
  text === 'random' || text === 'round_robin' || text === 'sequential'

function refuseArguments(option: Directive, problems: DirectiveProblems): void {
  if (option.args.length > 0) problems.add(option, 'takes no argument')
}

function readNumber(option: Directive, problems: DirectiveProblems): number | undefined {
  const value = option.args.length === 1 ? parseInteger(option.args[0], 0, 2 ** 31) : undefined
  if (value === undefined) problems.add(option, 'needs one number')
  return value
}

function readDuration(option: Directive, problems: DirectiveProblems): number | undefined {
  const value = option.args.length === 1 ? parseSpan(option.args[0] ?? '') : undefined
  if (value !== undefined && value > 0) return value
  problems.add(option, 'needs one duration above 0, e.g. 10s')
  return undefined
}

function rcodesOf(option: Directive, problems: DirectiveProblems): ReadonlySet<string> {
  const names = option.args.map(text => text.toUpperCase())
  const unknown = names.find(name => rcodes.toNumber(name) === undefined)
  if (names.length === 0 || unknown !== undefined) {
    problems.add(option, `needs rcodes, e.g. SERVFAIL REFUSED${unknown ? `, not ${unknown}` : ''}`)
  }
  return new Set(names)
}
