import type { Store } from '#cluster/store.ts'
import type { Clock } from '#runtime/clock.ts'
import { servicesView } from './services.ts'
import type { ServiceView } from './types.ts'

/** Somebody who scrolls asks many times a second; what he sees may be this old while the cluster changes. */
const MAX_AGE_MS = 1_000
/** Ten thousand views are some megabytes: nobody looks, nobody pays. */
const FORGET_MS = 15_000

/** All Services' views, made once for all who ask at about the same time. */
export class ServiceCache {
  readonly #store: Store
  readonly #clock: Pick<Clock, 'monotonic'>
  #made:
    | { readonly atMs: number; readonly revision: number; views: readonly ServiceView[] }
    | undefined
  #making: Promise<readonly ServiceView[]> | undefined
  #forget: NodeJS.Timeout | undefined

  constructor(store: Store, clock: Pick<Clock, 'monotonic'>) {
    this.#store = store
    this.#clock = clock
  }

  /** By their names, without traffic. */
  all(): Promise<readonly ServiceView[]> {
    this.#forget ??= setTimeout(() => {
      this.#forget = undefined
      this.#made = undefined
    }, FORGET_MS).unref()
    this.#forget.refresh()
    const { atMs, revision, views } = this.#made ?? {}
    const isNew =
      revision === this.#store.revision || this.#clock.monotonic() - (atMs ?? 0) < MAX_AGE_MS
    if (views !== undefined && isNew) return Promise.resolve(views)
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  async #make(): Promise<readonly ServiceView[]> {
    const { revision } = this.#store
    const views = await servicesView(this.#store)
    this.#made = { atMs: this.#clock.monotonic(), revision, views }
    return views
  }
}
