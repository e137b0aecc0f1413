import { type Clock, systemClock } from '#runtime/clock.ts'
import type { Query, Remember, Reply } from '../../message.ts'
import { longestZone } from '../../name.ts'
import type { Handler, Plugin, PluginDefinition, SetupContext } from '../../plugin.ts'
import { AnswerCache, type Found, keyOf, visibleTo } from './answer-cache.ts'
import { lifeLeftMs } from './answer-store.ts'
import { type CacheMetrics, cacheMetrics } from './cache-metrics.ts'
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
  /** Keys that are being refreshed: each once at a time. */
  readonly #refreshing = new Set<string>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  answer(query: Query, signal: AbortSignal): ReturnType<Handler> {
    const { cache, metrics, options } = this.#parts
    metrics.requested()
    const key = keyOf(query)
    const found = cache.find(key)
    if (found === undefined) {
      metrics.missed()
      return this.#fetch(key, query, signal)
    }
    if (found.stale) {
      return options.stale?.mode === 'verify'
        ? this.#verify(key, found, query, signal)
        : this.#serveStale(key, found, query)
    }
    metrics.hit(found.type)
    if (this.#isDueForRefresh(found)) {
      metrics.prefetched()
      this.#refresh(key, query)
    }
    return { ...cache.replyTo(query, found), remember: this.#remember(found) }
  }

  /** A hit can be given again until its end, or until it may be due for a refresh: then it must be seen here. */
  #remember(found: Found): Remember {
    const { cache, clock, metrics, options } = this.#parts
    const { entry, type } = found
    const leftMs = lifeLeftMs(entry, clock.monotonic())
    return {
      again: query => cache.replyTo(query, found),
      forMs: leftMs - (options.prefetch?.share ?? 0) * entry.ttl * 1000,
      ttlLeftMs: options.keepTtl ? undefined : leftMs,
      rotates: false,
      counted: times => {
        metrics.requested(times)
        metrics.hit(type, times)
        entry.hits += times
        entry.lastHitMs = clock.monotonic()
      },
    }
  }

  async #fetch(key: string, query: Query, signal: AbortSignal): Promise<Reply | undefined> {
    const reply = await this.#parts.next(query, signal)
    if (reply === undefined) return undefined
    return visibleTo(query, this.#parts.cache.put(key, query.question.name, reply))
  }

  #serveStale(key: string, found: Found, query: Query): Reply {
    this.#parts.metrics.hit(found.type)
    this.#parts.metrics.servedStale()
    this.#refresh(key, query)
    return this.#parts.cache.replyTo(query, found)
  }

  async #verify(
    key: string,
    found: Found,
    query: Query,
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    const { cache, metrics, options } = this.#parts
    const timeoutMs = options.stale?.verifyTimeoutMs ?? 0
    const limit =
      timeoutMs === 0 ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const fresh = await attempt(() => this.#fetch(key, query, limit))
    signal.throwIfAborted()
    if (fresh !== undefined && fresh.rcode !== 'SERVFAIL') {
      metrics.missed()
      return fresh
    }
    metrics.hit(found.type)
    metrics.servedStale()
    return cache.replyTo(query, found)
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

  #refresh(key: string, query: Query): void {
    if (this.#refreshing.has(key) || this.#refreshing.size >= MAX_REFRESHES) return
    this.#refreshing.add(key)
    const { signal } = this.#parts.stopping
    const limit = AbortSignal.any([signal, AbortSignal.timeout(REFRESH_TIMEOUT_MS)])
    void attempt(() => this.#fetch(key, query, limit)).then(() => this.#refreshing.delete(key))
  }
}

/** An answer that cannot be had is none: the entry at hand is served. */
async function attempt(fetch: () => Promise<Reply | undefined>): Promise<Reply | undefined> {
  try {
    return await fetch()
  } catch {
    return undefined
  }
}
