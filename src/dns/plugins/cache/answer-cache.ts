import type { Clock } from '#runtime/clock.ts'
import type { Query, Question, Remember, Reply } from '../../message.ts'
import { isInZone } from '../../name.ts'
import { AnswerStore, type Entry, type EntryWatch, lifeLeftMs } from './answer-store.ts'
import { answersQuestion } from './answers-question.ts'
import type { CacheMetrics } from './cache-metrics.ts'
import type { CacheOptions } from './options.ts'
import { packReply, unpackReply } from './packed-reply.ts'
import { mapRecords, type ReplyKind, replyKind, replyTtl } from './reply-life.ts'

/** What the cache has for a question. */
export type Found = {
  readonly key: string
  readonly entry: Entry
  readonly type: 'success' | 'denial'
  /** Past its end, within what `serve_stale` allows. */
  readonly stale: boolean
  /** Is a denial at hand that the policy puts behind this? Then another one need not be fetched. */
  readonly isDenied: boolean
}

/** An entry for those who look at the whole cache. */
export type CachedEntry = Pick<Found, 'key' | 'type'> & {
  /** Milliseconds; negative: how long ago its time was over. */
  readonly leftMs: number
  readonly reply: () => Reply
}

/**
 * What one entry may cost in memory on average, octets: the capacity times this bounds the octets of a store. An answer of a name
 * of 30 octets with two addresses costs about 400.
 */
const OCTETS_PER_ENTRY = 512

/**
 * What answers are kept by. Validation changes answers, so DO and CD are part of it (CVE-2024-0874 was a key without CD). Joined
 * and not a template: a string put together from parts that are kept as such takes twice the memory.
 */
export const keyOf = ({ question, edns, checkingDisabled }: Query): string =>
  [
    question.name.toLowerCase(),
    question.type,
    question.class,
    edns?.dnssecOk === true ? 'D' : '',
    checkingDisabled ? 'C' : '',
  ].join(' ')

/** The positive and the negative answers. */
export class AnswerCache {
  readonly #options: CacheOptions
  readonly #clock: Clock
  readonly #metrics: CacheMetrics
  readonly #stores: { readonly success: AnswerStore; readonly denial: AnswerStore }

  constructor(options: CacheOptions, clock: Clock, metrics: CacheMetrics) {
    this.#options = options
    this.#clock = clock
    this.#metrics = metrics
    const store = (type: Found['type']) => {
      const { capacity } = options[type]
      const limits = { capacity, maxOctets: capacity * OCTETS_PER_ENTRY }
      return new AnswerStore(limits, () => metrics.evicted(type))
    }
    this.#stores = { success: store('success'), denial: store('denial') }
  }

  /**
   * The best entry for the key. A failure never hides a positive answer that may still be served, and no denial does where the
   * policy says so.
   */
  find(key: string): Found | undefined {
    const nowMs = this.#clock.monotonic()
    const success = this.#find('success', key, nowMs)
    const denial = this.#find('denial', key, nowMs)
    if (success === undefined || denial === undefined) return success ?? denial
    if (this.#options.prefersPositive && success.entry.isUsable) {
      return { ...success, isDenied: !denial.stale }
    }
    if (!success.stale || denial.stale) return success
    return denial.entry.kind === 'failure' ? success : denial
  }

  #find(type: Found['type'], key: string, nowMs: number): Found | undefined {
    const entry = this.#stores[type].get(key)
    if (entry === undefined) return undefined
    const leftMs = lifeLeftMs(entry, nowMs)
    const found = { key, entry, type, isDenied: false }
    if (leftMs > 0) return { ...found, stale: false }
    return -leftMs < (this.#options.stale?.maxAgeMs ?? 0) ? { ...found, stale: true } : undefined
  }

  /**
   * Keeps an answer if it may be kept, and gives it with the TTL that it is kept for; answers that are never kept come back
   * as they are. What is disabled is not kept but has the same TTLs, as in CoreDNS.
   */
  put(key: string, query: Query, { remember, ...reply }: Reply): Reply {
    const { question } = query
    const kind = replyKind(reply)
    if (kind === undefined) return reply
    const ttl = replyTtl(reply, kind, this.#options)
    const given = mapRecords(reply, record => ({ ...record, ttl }))
    if (ttl > 0 && !this.#isDisabled(kind, question.name)) {
      this.#keep(kind, key, { query, reply, ttl, remember })
      return given
    }
    return remember === undefined ? given : { ...given, remember: this.#passedOn(remember, ttl) }
  }

  /** All entries, the oldest of each kind first, made ready to be told one by one. */
  *entries(): Generator<CachedEntry> {
    const nowMs = this.#clock.monotonic()
    for (const type of ['success', 'denial'] as const) {
      for (const [key, entry] of this.#stores[type].entries()) {
        yield {
          key,
          type,
          leftMs: lifeLeftMs(entry, nowMs),
          reply: () => unpackReply(entry.packed).reply,
        }
      }
    }
  }

  /** Would an answer of either kind be kept for the question? */
  mayKeep({ name }: Question): boolean {
    return !(this.#isDisabled('success', name) && this.#isDisabled('denial', name))
  }

  /** What is not kept here can be remembered elsewhere, with the TTLs that it gets here. */
  #passedOn(remember: Remember, ttl: number): Remember {
    const { again, counted } = remember
    return {
      ...remember,
      again: query =>
        visibleTo(
          query,
          mapRecords(again(query), record => ({ ...record, ttl })),
        ),
      counted: times => {
        this.#metrics.requested(times)
        this.#metrics.missed(times)
        counted?.(times)
      },
    }
  }

  #keep(
    kind: ReplyKind,
    key: string,
    { query, reply, ttl, remember }: Answer & { readonly remember: Remember | undefined },
  ): void {
    const { success, denial } = this.#stores
    const store = kind === 'success' ? success : denial
    const isUsable = this.#options.prefersPositive && answersQuestion(query.question, reply)
    // By the policy the last good answer stays until a better one comes, or its time is over.
    const isKeptPositive = this.#options.prefersPositive && success.get(key)?.isUsable === true
    if (kind === 'success' && isKeptPositive && !isUsable) return
    const packed = packReply(query.question, reply)
    if (packed === undefined) return
    const watch = remember?.untilChange && this.#watch(store, key, remember.untilChange)
    // The zone may have changed between the answer and the watch.
    if (
      watch !== undefined &&
      packReply(query.question, remember?.again(query) ?? reply) !== packed
    ) {
      return watch.end()
    }
    const nowMs = this.#clock.monotonic()
    const uses = { hits: 0, lastHitMs: nowMs, wasUsed: false, retryAtMs: 0 }
    if (kind === 'success') denial.delete(key)
    // A failure says nothing of the answer that was there before.
    if (kind === 'denial' && !isKeptPositive) success.delete(key)
    store.set(key, { kind, packed, isUsable, storedMs: nowMs, ttl, ...uses, watch })
    this.#measure()
  }

  /** Drops the entry, and what was made from it, when its zone says so. */
  #watch(
    store: AnswerStore,
    key: string,
    untilChange: NonNullable<Remember['untilChange']>,
  ): EntryWatch {
    const watch: EntryWatch = {
      end: untilChange(() => {
        if (store.get(key)?.watch !== watch) return
        store.delete(key)
        this.#measure()
      }),
      forget: new Set(),
    }
    return watch
  }

  #measure(): void {
    const { success, denial } = this.#stores
    this.#metrics.sized({ success, denial })
  }

  #isDisabled(kind: ReplyKind, name: string): boolean {
    const { disabledZones } = this.#options[kind === 'success' ? 'success' : 'denial']
    const lowerName = name.toLowerCase()
    return disabledZones.some(zone => isInZone(lowerName, zone))
  }

  /** The answer of an entry to a query: its TTL counted down, owners in the letter case of the query. */
  replyTo(query: Query, { entry, stale }: Pick<Found, 'entry' | 'stale'>): Reply {
    const { name, reply } = unpackReply(entry.packed)
    const ttl = this.#ttlNow(entry, stale)
    const records = mapRecords(reply, record => ({
      ...record,
      ttl,
      name: record.name === name ? query.question.name : record.name,
    }))
    return { ...visibleTo(query, records), authoritative: true }
  }

  #ttlNow(entry: Entry, stale: boolean): number {
    if (stale) return this.#options.stale?.ttl ?? 0
    if (this.#options.keepTtl) return entry.ttl
    return Math.ceil(lifeLeftMs(entry, this.#clock.monotonic()) / 1000)
  }
}

type Answer = { readonly query: Query; readonly reply: Reply; readonly ttl: number }

/** AD means something to those only who asked for it by DO or AD (RFC 6840 sections 5.7 and 5.8). */
export const visibleTo = ({ edns, authenticData }: Query, reply: Reply): Reply =>
  edns?.dnssecOk === true || authenticData ? reply : { ...reply, authenticData: false }
