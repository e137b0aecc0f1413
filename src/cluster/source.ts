import type { Logger } from '#runtime/log.ts'
import type { Kind } from './objects.ts'
import type { StoreWriter } from './store.ts'

/** Which objects a source should bring; what is not wanted is not asked for and costs nothing. */
export type Wanted = { readonly [K in Kind]?: Selection }

/** Selectors as the API server takes them; undefined selects all. */
export type Selection = {
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

/** Where objects come from: the API server or a directory of manifests. */
export interface Source {
  /** What it reads from, for logs: a URL or a path. */
  readonly origin: string
  /**
   * Keeps `store` like the cluster until the signal is aborted, then returns. Trouble is logged and retried; it never
   * takes away what the store has.
   */
  run(store: StoreWriter, signal: AbortSignal): Promise<void>
}

/** What every source needs to know. */
export type SourceOptions = { readonly wanted: Wanted; readonly log: Logger }
