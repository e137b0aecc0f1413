import { type Clock, systemClock } from '#runtime/clock.ts'
import type { Query, Remember, Reply } from '../../message.ts'
import { longestZone } from '../../name.ts'
import type { Handler, Plugin, PluginDefinition, SetupContext } from '../../plugin.ts'
import { untilAborted } from '../../until-aborted.ts'
import { AnswerCache, type Found, keyOf, visibleTo } from './answer-cache.ts'
import { lifeLeftMs } from './answer-store.ts'
import { answersQuestion } from './answers-question.ts'
import { type CacheMetrics, cacheMetrics } from './cache-metrics.ts'
import { cachedAnswers } from './cached-answers.ts'
import { type CacheOptions, parseCache } from './options.ts'

/** How long a refresh in the background may take: as long as `forward` tries. */
const REFRESH_TIMEOUT_MS = 5000

/** Refreshes at a time; more popular entries wait for their next hit. */
const MAX_REFRESHES = 1000

/** The `cache` plugin: answers that were given once are given again. */
export const cachePlugin = (clock: Clock = systemClock): PluginDefinition => ({
  name: 'cache',
  repeatable: false,
  setup([directive], context) {
    if (directive === undefined) throw new TypeError('cache: set up without directive')
    return setUp(parseCache(directive, context.zones), context, clock)
  },
})

function setUp(options: CacheOptions, context: SetupContext, clock: Clock): Plugin {
  const metrics = cacheMetrics(context, options)
  const cache = new AnswerCache(options, clock, metrics)
  const stopping = new AbortController()
  return {
    name: 'cache',
    fastPath: true,
    wrap(next) {
      const serving = new CachedHandler({ options, cache, metrics, clock, next, stopping })
      return (query, signal) =>
        mayBeCached(query, options) ? serving.answer(query, signal) : next(query, signal)
    },
    stop: () => stopping.abort(),
    cached: { zones: options.zones, list: name => cachedAnswers(cache.entries(), name) },
  }
}

const mayBeCached = ({ opcode, question: { name, type } }: Query, { zones }: CacheOptions) =>
  opcode === 'QUERY' &&
  type !== 'AXFR' &&
  type !== 'IXFR' &&
  longestZone(zones, name.toLowerCase()) !== undefined

type Parts = {
  readonly options: CacheOptions
  readonly cache: AnswerCache
  readonly metrics: CacheMetrics
  readonly clock: Clock
  readonly next: Handler
  readonly stopping: AbortController
}

/** Answers from the cache, else from `next`, and refreshes in the background what is worth it. */
class CachedHandler {
  readonly #parts: Parts
  /** By key: questions that are being asked, each once at a time; later ones wait and look again. */
  readonly #underWay = new Map<string, Promise<unknown>>()
  /** By transport and key: entries that are being refreshed, each once at a time. */
  readonly #refreshing = new Map<string, Promise<Reply | undefined>>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  answer(query: Query, signal: AbortSignal): ReturnType<Handler> {
    const { cache, metrics, options } = this.#parts
    metrics.requested()
    const key = keyOf(query)
    const found = cache.find(key)
    if (found === undefined) return this.#miss(key, query, signal)
    found.entry.wasUsed = true
    if (!found.stale) return this.#hit(found, query)
    if (!this.#mayRefresh(found)) return this.#staleReply(found, query)
    if (options.stale?.mode === 'verify') return this.#verify(found, query, signal)
    void this.#refresh(found, query)
    return this.#staleReply(found, query)
  }

  #hit(found: Found, query: Query): Reply {
    const { cache, metrics } = this.#parts
    metrics.hit(found.type)
    if (this.#isDueForRefresh(found)) {
      metrics.prefetched()
      void this.#refresh(found, query)
    }
    return { ...cache.replyTo(query, found), remember: this.#remember(found) }
  }

  /** A hit can be given again until its end, or until it may be due for a refresh: then it must be seen here. */
  #remember(found: Found): Remember {
    const { cache, clock, metrics, options } = this.#parts
    const { entry, type } = found
    const leftMs = lifeLeftMs(entry, clock.monotonic())
    const { watch } = entry
    return {
      again: query => cache.replyTo(query, found),
      forMs: leftMs - (options.prefetch?.share ?? 0) * entry.ttl * 1000,
      ttlLeftMs: options.keepTtl ? undefined : leftMs,
      rotates: false,
      untilChange:
        watch &&
        (forget => {
          watch.forget.add(forget)
          return () => watch.forget.delete(forget)
        }),
      counted: times => {
        metrics.requested(times)
        metrics.hit(type, times)
        entry.hits += times
        entry.lastHitMs = clock.monotonic()
        entry.wasUsed = true
      },
    }
  }

  /** Equal questions are asked once: whoever comes while one is under way is answered from what it brings. */
  #miss(key: string, query: Query, signal: AbortSignal): Promise<Reply | undefined> {
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return this.#missAfter(underWay, key, { query, signal })
    this.#parts.metrics.missed()
    return this.#fetch(key, query, signal)
  }

  async #missAfter(
    underWay: Promise<unknown>,
    key: string,
    { query, signal }: { readonly query: Query; readonly signal: AbortSignal },
  ): Promise<Reply | undefined> {
    await untilAborted(underWay.catch(ignore), signal)
    const { cache, metrics } = this.#parts
    const found = cache.find(key)
    if (found !== undefined && !found.stale) return this.#hit(found, query)
    metrics.missed()
    return this.#fetch(key, query, signal)
  }

  #fetch(key: string, query: Query, signal: AbortSignal): Promise<Reply | undefined> {
    const fetching = this.#ask(key, query, signal)
    if (!this.#underWay.has(key) && this.#parts.cache.mayKeep(query.question)) {
      this.#underWay.set(key, fetching)
      const end = () => {
        this.#underWay.delete(key)
      }
      fetching.then(end, end)
    }
    return fetching
  }

  async #ask(key: string, query: Query, signal: AbortSignal): Promise<Reply | undefined> {
    const reply = await this.#parts.next(query, signal)
    return reply && visibleTo(query, this.#parts.cache.put(key, query, reply))
  }

  #staleReply(found: Found, query: Query): Reply {
    this.#parts.metrics.hit(found.type)
    this.#parts.metrics.servedStale()
    return this.#parts.cache.replyTo(query, found)
  }

  /** Waits for the refresh, for a time; it goes on when that is over (RFC 8767 section 5). */
  async #verify(found: Found, query: Query, signal: AbortSignal): Promise<Reply | undefined> {
    const { metrics } = this.#parts
    const fresh = await this.#inTime(this.#refresh(found, query), signal)
    if (fresh === undefined || !this.#isBetter(fresh, found, query)) {
      return this.#staleReply(found, query)
    }
    metrics.missed()
    return visibleTo(query, fresh)
  }

  async #inTime<T>(refreshing: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    const { clock, options } = this.#parts
    const timeoutMs = options.stale?.verifyTimeoutMs ?? 0
    if (timeoutMs === 0) return untilAborted(refreshing, signal)
    const timer = new AbortController()
    const tooLate = clock.sleep(timeoutMs, timer.signal).then(ignore, ignore)
    try {
      return await untilAborted(Promise.race([refreshing, tooLate]), signal)
    } finally {
      timer.abort()
    }
  }

  /** Is what a refresh brought to be given in place of the entry? */
  #isBetter(fresh: Reply, { entry }: Found, { question }: Query): boolean {
    const { prefersPositive } = this.#parts.options
    return prefersPositive && entry.isUsable ? answersQuestion(question, fresh) : isRefresh(fresh)
  }

  /** Not while a failed one is fresh in mind, nor when what it would bring is known. */
  #mayRefresh({ entry, isDenied }: Found): boolean {
    return !isDenied && this.#parts.clock.monotonic() >= entry.retryAtMs
  }

  /** Counts the hit: is the entry popular, and near its end? */
  #isDueForRefresh({ entry }: Found): boolean {
    const { clock, options } = this.#parts
    const { prefetch } = options
    if (prefetch === undefined) return false
    const nowMs = clock.monotonic()
    entry.hits = nowMs - entry.lastHitMs < prefetch.maxGapMs ? entry.hits + 1 : 1
    entry.lastHitMs = nowMs
    const isNearEnd = lifeLeftMs(entry, nowMs) < prefetch.share * entry.ttl * 1000
    return isNearEnd && entry.hits >= prefetch.amount
  }

  /** What `next` has now, also for those that wait for it already. Never rejects. */
  #refresh({ key, entry }: Found, query: Query): Promise<Reply | undefined> {
    // What is cut for a client by UDP is none for a client by TCP.
    const turn = `${query.transport} ${key}`
    const underWay = this.#refreshing.get(turn)
    if (underWay !== undefined || this.#refreshing.size >= MAX_REFRESHES) {
      return underWay ?? Promise.resolve(undefined)
    }
    const { clock, options, stopping } = this.#parts
    const limit = AbortSignal.any([stopping.signal, AbortSignal.timeout(REFRESH_TIMEOUT_MS)])
    const refreshing = attempt(() => this.#fetch(key, query, limit)).then(fresh => {
      this.#refreshing.delete(turn)
      const recheckMs = options.stale?.recheckMs ?? 0
      if (fresh === undefined || !isRefresh(fresh)) entry.retryAtMs = clock.monotonic() + recheckMs
      return fresh
    })
    this.#refreshing.set(turn, refreshing)
    return refreshing
  }
}

/** An answer that can stand in place of another: other rcodes are failures to refresh (RFC 8767 section 4). */
const isRefresh = ({ rcode }: Reply): boolean => rcode === 'NOERROR' || rcode === 'NXDOMAIN'

const ignore = (): undefined => undefined

/** An answer that cannot be had is none: the entry at hand is served. */
async function attempt(fetch: () => Promise<Reply | undefined>): Promise<Reply | undefined> {
  try {
    return await fetch()
  } catch {
    return undefined
  }
}
