import { parseInteger, parseSpan, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'

/** How one of the two kinds of answers is kept. */
export type StoreOptions = {
  /** Entries. */
  readonly capacity: number
  /** Seconds. */
  readonly maxTtl: number
  /** Seconds. */
  readonly minTtl: number
  /** Names in these zones are not kept. */
  readonly disabledZones: readonly string[]
}

export type PrefetchOptions = {
  /** So many hits make an entry popular … */
  readonly amount: number
  /** … when no two are further apart than this. */
  readonly maxGapMs: number
  /** It is refreshed when less than this share of its life is left, 0–1. */
  readonly share: number
}

export type StaleOptions = {
  /** How long after its end an entry may be served. */
  readonly maxAgeMs: number
  /** `immediate`: answer, then refresh. `verify`: ask first, and answer with the entry when that fails. */
  readonly mode: 'immediate' | 'verify'
  /** How long `verify` waits; 0: as long as the query may take. */
  readonly verifyTimeoutMs: number
  /** Seconds; that of the records. */
  readonly ttl: number
  /** After a refresh that failed, how long none is tried. */
  readonly recheckMs: number
}

/** What a `cache` directive says. */
export type CacheOptions = {
  readonly zones: readonly string[]
  readonly success: StoreOptions
  readonly denial: StoreOptions
  /** How long failures are kept, seconds; 0: not at all. */
  readonly servfailTtl: number
  /** Answers keep their TTL instead of counting it down. */
  readonly keepTtl: boolean
  readonly prefetch: PrefetchOptions | undefined
  readonly stale: StaleOptions | undefined
  /** Does an answer past its end go before a denial that is not? */
  readonly prefersPositive: boolean
}

type Draft = { -readonly [Option in keyof CacheOptions]: CacheOptions[Option] }
type Reading = { readonly draft: Draft; readonly problems: DirectiveProblems }

const MAX_TTL = 2 ** 31 - 1
const MAX_CAPACITY = 10_000_000
const MAX_SERVFAIL_MS = 5 * 60_000
/** RFC 8767 section 5: a failed refresh should be tried again within 5 minutes. */
const MAX_RECHECK_MS = 5 * 60_000

/** CoreDNS's shards: capacities are multiples of their number. */
const SHARDS = 256
const MIN_CAPACITY = 1024

const defaultStore = { capacity: 9984, minTtl: 5, disabledZones: [] } as const

/**
 * Reads a `cache` directive.
 * @param blockZones those of the server block, when the directive names none.
 * @throws {ConfigError}
 */
export function parseCache(directive: Directive, blockZones: readonly string[]): CacheOptions {
  const problems = new DirectiveProblems('cache')
  const [first, ...others] = directive.args
  const hasTtl = first !== undefined && /^-?\d+$/.test(first)
  const ttl = hasTtl ? parseInteger(first, 1, MAX_TTL) : undefined
  if (hasTtl && ttl === undefined) problems.add(directive, `TTL ${first} is not above 0`)
  const zones = hasTtl ? others : directive.args
  const draft: Draft = {
    zones: zones.length === 0 ? blockZones : readZones(directive, zones, problems),
    success: { ...defaultStore, maxTtl: ttl ?? 3600 },
    denial: { ...defaultStore, maxTtl: ttl ?? 1800 },
    servfailTtl: 5,
    keepTtl: false,
    prefetch: undefined,
    stale: undefined,
    prefersPositive: false,
  }
  for (const option of directive.block ?? []) {
    const read = Object.hasOwn(optionReaders, option.name) ? optionReaders[option.name] : undefined
    if (read === undefined) problems.add(option, 'unknown option')
    else read(option, { draft, problems })
  }
  problems.throwIfAny()
  return draft
}

const optionReaders: Readonly<Record<string, (option: Directive, reading: Reading) => void>> = {
  success: (option, reading) => readStore('success', option, reading),
  denial: (option, reading) => readStore('denial', option, reading),
  disable(option, { draft, problems }) {
    const [kind, ...zones] = option.args
    if (kind !== 'success' && kind !== 'denial') {
      problems.add(option, 'needs success or denial, then zones')
      return
    }
    const disabledZones = zones.length === 0 ? ['.'] : readZones(option, zones, problems)
    draft[kind] = { ...draft[kind], disabledZones }
  },
  servfail(option, { draft, problems }) {
    const duration = option.args.length === 1 ? parseSpan(option.args[0] ?? '') : undefined
    if (duration === undefined || duration > MAX_SERVFAIL_MS) {
      problems.add(option, 'needs one duration of at most 5m')
    } else draft.servfailTtl = Math.floor(duration / 1000)
  },
  keepttl(option, { draft, problems }) {
    if (option.args.length > 0) problems.add(option, 'takes no argument')
    draft.keepTtl = true
  },
  prefetch(option, { draft, problems }) {
    const [amount, gap = '1m', share = '10%'] = option.args
    const prefetch = {
      amount: parseInteger(amount, 0, MAX_CAPACITY),
      maxGapMs: parseSpan(gap),
      share: /^\d+%$/.test(share) ? parseInteger(share.slice(0, -1), 10, 90) : undefined,
    }
    const { amount: count, maxGapMs, share: percent } = prefetch
    if (count === undefined || maxGapMs === undefined || percent === undefined) {
      problems.add(option, 'needs a number of hits, and may have a duration and 10% to 90%')
    } else draft.prefetch = { amount: count, maxGapMs, share: percent / 100 }
  },
  serve_stale(option, { draft, problems }) {
    const [first, ...others] = option.args
    const duration = first === undefined || isStaleMode(first) ? undefined : parseSpan(first)
    const [mode = 'immediate', ...more] = duration === undefined ? option.args : others
    const [timeout = '0', ttl = '0', recheck = '0', ...rest] =
      mode === 'verify' ? more : ['0', ...more]
    const [verifyTimeoutMs, ttlMs, recheckMs] = [timeout, ttl, recheck].map(parseSpan)
    const isWhole = isStaleMode(mode) && rest.length === 0
    if (
      !isWhole ||
      verifyTimeoutMs === undefined ||
      ttlMs === undefined ||
      recheckMs === undefined
    ) {
      problems.add(
        option,
        'needs [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]',
      )
      return
    }
    if (recheckMs > MAX_RECHECK_MS) problems.add(option, 'RECHECK is at most 5m')
    if (ttlMs % 1000 !== 0) problems.add(option, 'TTL is a whole number of seconds')
    const maxAgeMs = duration ?? 3_600_000
    draft.stale = { maxAgeMs, mode, verifyTimeoutMs, ttl: ttlMs / 1000, recheckMs }
  },
  serve_stale_policy(option, { draft, problems }) {
    const [policy, ...more] = option.args
    if (policy !== 'prefer_positive' || more.length > 0) {
      problems.add(option, 'needs prefer_positive, the one policy')
    }
    draft.prefersPositive = true
  },
}

const isStaleMode = (text: string): text is StaleOptions['mode'] =>
  text === 'immediate' || text === 'verify'

function readStore(
  kind: 'success' | 'denial',
  option: Directive,
  { draft, problems }: Reading,
): void {
  const [capacityText, maxText, minText] = option.args
  const capacity = parseInteger(capacityText, 0, MAX_CAPACITY)
  const maxTtl = maxText === undefined ? draft[kind].maxTtl : parseInteger(maxText, 1, MAX_TTL)
  const minTtl = minText === undefined ? draft[kind].minTtl : parseInteger(minText, 0, MAX_TTL)
  if (
    capacity === undefined ||
    maxTtl === undefined ||
    minTtl === undefined ||
    option.args.length > 3
  ) {
    problems.add(option, 'needs a capacity, and may have a TTL above 0 and a minimum TTL')
    return
  }
  const rounded = Math.max(MIN_CAPACITY, capacity - (capacity % SHARDS))
  draft[kind] = { ...draft[kind], capacity: rounded, maxTtl, minTtl }
}
