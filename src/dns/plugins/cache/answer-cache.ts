import type { Clock } from '#runtime/clock.ts'
import type { Query, Remember, Reply } from '../../message.ts'
import { isInZone } from '../../name.ts'
import { AnswerStore, type Entry, lifeLeftMs } from './answer-store.ts'
import type { CacheMetrics } from './cache-metrics.ts'
import type { CacheOptions } from './options.ts'
import { mapRecords, type ReplyKind, replyKind, replyTtl } from './reply-life.ts'

/** What the cache has for a question. */
export type Found = {
  readonly entry: Entry
  readonly type: 'success' | 'denial'
  /** Past its end, within what `serve_stale` allows. */
  readonly stale: boolean
}

/** What answers are kept by. Validation changes answers, so DO and CD are part of it (CVE-2024-0874 was a key without CD). */
export const keyOf = ({ question, edns, checkingDisabled }: Query): string =>
  `${question.name.toLowerCase()} ${question.type} ${question.class} ${edns?.dnssecOk === true}${checkingDisabled}`

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
    this.#stores = {
      success: new AnswerStore(options.success.capacity, () => metrics.evicted('success')),
      denial: new AnswerStore(options.denial.capacity, () => metrics.evicted('denial')),
    }
  }

  /** The best entry for the key. A failure never hides a positive answer that may still be served. */
  find(key: string): Found | undefined {
    const nowMs = this.#clock.monotonic()
    const success = this.#find('success', key, nowMs)
    const denial = this.#find('denial', key, nowMs)
    if (success === undefined || denial === undefined) return success ?? denial
    if (!success.stale || denial.stale) return success
    return replyKind(denial.entry.reply) === 'failure' ? success : denial
  }

  #find(type: Found['type'], key: string, nowMs: number): Found | undefined {
    const entry = this.#stores[type].get(key)
    if (entry === undefined) return undefined
    const leftMs = lifeLeftMs(entry, nowMs)
    if (leftMs > 0) return { entry, type, stale: false }
    return -leftMs < (this.#options.stale?.maxAgeMs ?? 0) ? { entry, type, stale: true } : undefined
  }

  /**
   * Keeps an answer if it may be kept, and gives it with the TTL that it is kept for; answers that are never kept come back
   * as they are. What is disabled is not kept but has the same TTLs, as in CoreDNS.
   */
  put(key: string, name: string, { remember, ...reply }: Reply): Reply {
    const kind = replyKind(reply)
    if (kind === undefined) return reply
    const ttl = replyTtl(reply, kind, this.#options)
    const kept = mapRecords({ ...reply, ednsOptions: [] }, record => ({ ...record, ttl }))
    const given = { ...kept, ednsOptions: reply.ednsOptions }
    if (ttl > 0 && !this.#isDisabled(kind, name)) {
      this.#store(kind, key, { name, ttl, reply: kept })
      return given
    }
    return remember === undefined ? given : { ...given, remember: this.#passedOn(remember, ttl) }
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

  #store(kind: ReplyKind, key: string, answer: Pick<Entry, 'name' | 'ttl' | 'reply'>): void {
    const nowMs = this.#clock.monotonic()
    const entry: Entry = { ...answer, storedMs: nowMs, hits: 0, lastHitMs: nowMs }
    const { success, denial } = this.#stores
    if (kind === 'success') denial.delete(key)
    // A failure says nothing of the answer that was there before.
    if (kind === 'denial') success.delete(key)
    this.#stores[kind === 'success' ? 'success' : 'denial'].set(key, entry)
    this.#metrics.sized({ success: success.size, denial: denial.size })
  }

  #isDisabled(kind: ReplyKind, name: string): boolean {
    const { disabledZones } = this.#options[kind === 'success' ? 'success' : 'denial']
    const lowerName = name.toLowerCase()
    return disabledZones.some(zone => isInZone(lowerName, zone))
  }

  /** The answer of an entry to a query: its TTL counted down, owners in the letter case of the query. */
  replyTo(query: Query, { entry, stale }: Found): Reply {
    const { name } = query.question
    const ttl = this.#ttlNow(entry, stale)
    const records = mapRecords(entry.reply, record => ({
      ...record,
      ttl,
      name: record.name === entry.name ? name : record.name,
    }))
    return { ...visibleTo(query, records), authoritative: true }
  }

  #ttlNow(entry: Entry, stale: boolean): number {
    if (stale) return this.#options.stale?.ttl ?? 0
    if (this.#options.keepTtl) return entry.ttl
    return Math.ceil(lifeLeftMs(entry, this.#clock.monotonic()) / 1000)
  }
}

/** AD means something to those only who asked for it by DO or AD (RFC 6840 sections 5.7 and 5.8). */
export const visibleTo = ({ edns, authenticData }: Query, reply: Reply): Reply =>
  edns?.dnssecOk === true || authenticData ? reply : { ...reply, authenticData: false }
