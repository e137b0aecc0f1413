import { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { Kind, ObjectOf } from '../objects.ts'
import type { Selection } from '../source.ts'
import type { StoreWriter } from '../store.ts'
import { ApiError, isExpired, isSilence } from './api-error.ts'
import { type ApiClient, describeFailure } from './client.ts'
import { ItemReader } from './item-reader.ts'
import { list, PAGE_SIZE } from './list.ts'
import { resources } from './resource.ts'
import { needsList, pauseAfter } from './retry.ts'
import type { ApiTiming } from './timing.ts'
import type { TroubleLog } from './trouble-log.ts'
import { watch } from './watch.ts'

export type ReflectorOptions<K extends Kind> = {
  readonly kind: K
  readonly selection: Selection
  readonly client: ApiClient
  readonly store: StoreWriter
  readonly log: Logger
  readonly trouble: TroubleLog
  readonly clock: Clock
  readonly timing: ApiTiming
  /** Numbers in [0, 1). */
  readonly random: () => number
}

/**
 * Keeps one kind of the store like the API server: a list, then a watch from the list's version, a new watch from the last
 * seen version when one ends, and a new list only when the server has forgotten that version (Kubernetes API concepts,
 * "Efficient detection of changes"). A new list is applied as a difference, so nothing flickers.
 */
export class Reflector<K extends Kind> {
  readonly #options: ReflectorOptions<K>
  readonly #backoff: Backoff
  readonly #reader: ItemReader<K>
  /** Where the next watch begins; undefined when a list is due. */
  #version: string | undefined
  #listed = false
  /** Was the kind taken for listed though the server refuses it? */
  #doesWithout = false

  constructor(options: ReflectorOptions<K>) {
    this.#options = options
    const { retryInitialMs: initialMs, retryMaxMs: maxMs } = options.timing
    this.#backoff = new Backoff({ initialMs, maxMs, random: options.random })
    this.#reader = new ItemReader(options.kind, options.store, options.log)
  }

  /** Returns when the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      const pauseMs = await this.#listAndWatch(signal)
      // The pause ends early only when the signal is aborted.
      if (!signal.aborted && pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {})
    }
  }

  /** One list, if one is due, and one watch. Gives the milliseconds to wait before the next one. */
  async #listAndWatch(signal: AbortSignal): Promise<number> {
    const { kind, trouble, timing, random } = this.#options
    try {
      this.#version ??= await this.#list(signal)
      return await this.#watch(this.#version, signal)
    } catch (error) {
      if (signal.aborted) return 0
      if (needsList(error)) this.#version = undefined
      if (this.#isRefused(error)) {
        this.#goOnWithout()
        // An older server: nothing is wrong with it, and it is not replaced every minute.
        if ((error as ApiError).status === 404) return timing.unknownMs * (1 + random())
      }
      // An expired version is in the order of things after a long loss; the list will show whether there is trouble.
      if (!isExpired(error)) trouble.failed(kind, error)
      return pauseAfter(error, this.#backoff, timing)
    }
  }

  /** Does the server refuse a kind that one can do without, of which it never gave anything? */
  #isRefused(error: unknown): boolean {
    if (this.#listed || resources[this.#options.kind].isOptional !== true) return false
    return error instanceof ApiError && (error.status === 403 || error.status === 404)
  }

  /** Nobody is to wait for what will not come. */
  #goOnWithout(): void {
    const { kind, store, log } = this.#options
    if (this.#doesWithout) return
    this.#doesWithout = true
    store.replaceAll(kind, [])
    log.info({ kind }, `API server gives no ${resources[kind].plural}; going on without`)
  }

  async #list(signal: AbortSignal): Promise<string> {
    try {
      return await this.#listIn(PAGE_SIZE, signal)
    } catch (error) {
      if (!isExpired(error)) throw error
      // Pages took longer than the server remembers their version: at once, they cannot expire (as client-go does).
      return this.#listIn(undefined, signal)
    }
  }

  async #listIn(limit: number | undefined, signal: AbortSignal): Promise<string> {
    const { client, kind, selection, store, timing } = this.#options
    const objects: ObjectOf[K][] = []
    const onItem = (item: unknown) => {
      const object = this.#reader.read(item)
      if (object === undefined) return
      objects.push(object)
      // Nobody acts on a kind before its first list is complete, so what arrives can go in at once, a bit at a time.
      if (!this.#listed) store.set(kind, object)
    }
    const version = await list({ client, kind, selection, limit, timing, signal, onItem })
    // Most objects are the very ones that are stored, so this compares pointers.
    store.replaceAll(kind, objects)
    this.#listed = true
    return version
  }

  /** Gives the milliseconds to wait before the next watch. */
  async #watch(version: string, signal: AbortSignal): Promise<number> {
    const { client, kind, selection, clock, timing, random, log } = this.#options
    const timeoutSeconds = Math.ceil((timing.watchMinMs * (1 + random())) / 1000)
    const request = { client, kind, selection, version, timeoutSeconds, timing, signal }
    const events = await watch(request)
    const begin = clock.monotonic()
    const settled = setTimeout(() => this.#succeeded(), timing.settleMs)
    let count = 0
    try {
      for await (const { type, object, version } of events) {
        this.#apply(type, object)
        this.#version = version
        if (count++ === 0) this.#succeeded()
      }
    } catch (error) {
      if (!isSilence(error)) throw error
      log.debug({ kind, reason: describeFailure(error) }, 'watch fell silent')
    } finally {
      clearTimeout(settled)
    }
    if (clock.monotonic() - begin >= timing.settleMs) return 0
    // A server that ends watches at once is not asked in a loop, though what it sends is taken.
    if (count === 0) throw new ApiError('connection', `watch ${kind}: ended as soon as it began`)
    return this.#backoff.next()
  }

  #succeeded(): void {
    this.#backoff.reset()
    this.#options.trouble.recovered(this.#options.kind)
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', raw: unknown): void {
    const { kind, store } = this.#options
    if (type === 'BOOKMARK') return
    if (type === 'DELETED') {
      const key = this.#reader.key(raw)
      if (key !== undefined) store.delete(kind, key)
      return
    }
    const object = this.#reader.read(raw)
    if (object !== undefined) store.set(kind, object)
  }
}
