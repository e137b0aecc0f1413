import type { RequestOutcome } from '#cluster/api/client.ts'
import type { Kind } from '#cluster/objects.ts'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { SelectedKeys } from '#cluster/selected-keys.ts'
import { selectedReader } from '#cluster/selected-reader.ts'
import type { Selection, Wanted } from '#cluster/source.ts'
import { SourcePool } from '#cluster/source-pool.ts'
import type { StoreReader, StoreWriter } from '#cluster/store.ts'
import type { ClusterAccess, LocalPods } from '#dns/plugin.ts'
import { ConfigError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { NodePods } from './node-pods.ts'

type AgentClusterOptions = {
  readonly connection: Connection
  readonly store: StoreWriter
  readonly log: Logger
  /** Told of every request to an API server. */
  readonly onRequest: (outcome: RequestOutcome) => void
  /** Is what is in the store from an earlier time, and not confirmed since? */
  readonly isStale: () => boolean
  /** A source ended though nobody stopped it. */
  readonly onFailure: (error: unknown) => void
}

/** Fills the agent's one store: each kind is read once, whoever wants it. */
export class AgentCluster {
  readonly #options: AgentClusterOptions
  readonly #signal: AbortSignal
  readonly #watched = new Map<Kind, Selection | undefined>()
  /** Which objects labels select, for the configurations of DNS that say so. */
  readonly #selections: SourcePool<'the cluster', SelectedKeys>
  #origin = ''
  #nodePods: Promise<NodePods> | undefined
  #listedPods: NodePods | undefined

  constructor(options: AgentClusterOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
    this.#selections = new SourcePool({
      sourceOf: (_cluster, sourceOptions) => openSource(options.connection, sourceOptions),
      targetOf: () => new SelectedKeys(),
      log: options.log,
      signal,
    })
  }

  /** What is read, and from where: a URL or a path, empty before anything is asked for. */
  get reading(): { readonly origin: string; readonly wanted: Wanted } {
    return { origin: this.#origin, wanted: Object.fromEntries(this.#watched) as Wanted }
  }

  /**
   * Starts to read the kinds of `wanted` that are not read yet.
   * @throws {ConfigError} the connection makes no sense.
   */
  async watch(wanted: Wanted): Promise<void> {
    const missing = Object.entries(wanted).filter(([kind]) => !this.#watched.has(kind as Kind))
    if (missing.length === 0) return
    for (const [kind, selection] of missing) this.#watched.set(kind as Kind, selection)
    const { connection, store, log, onRequest, onFailure } = this.#options
    const wantedNow = Object.fromEntries(missing)
    const source = await openSource(connection, { wanted: wantedNow, log, onRequest }).catch(
      error => {
        throw asProblemOf('cluster', error)
      },
    )
    this.#origin = source.origin
    log.info({ origin: source.origin, kinds: missing.map(([kind]) => kind) }, 'reading objects')
    source.run(store, this.#signal).catch((error: unknown) => {
      if (!this.#signal.aborted) onFailure(error)
    })
  }

  /** The Pods of the node, once {@link podsOf} was called and they are listed. */
  get nodePods(): StoreReader | undefined {
    return this.#listedPods?.store.isSynced('Pod') === true ? this.#listedPods.store : undefined
  }

  /** The Pods of the node, read from the first call on. @throws {ConfigError} the connection makes no sense. */
  podsOf(nodeName: string): Promise<NodePods> {
    const { connection, log, onFailure } = this.#options
    this.#nodePods ??= NodePods.watch({ connection, nodeName, log, onFailure }, this.#signal).then(
      pods => {
        this.#listedPods = pods
        return pods
      },
    )
    return this.#nodePods
  }

  /**
   * The store for the `kubernetes` plugin, as far as `reader` shows it. The connection options of the Corefile are not looked at:
   * the agent has one view of one cluster. `localPods` is for `pods_policy`.
   */
  accessThrough(reader: StoreReader, localPods: () => Promise<LocalPods>): ClusterAccess {
    const accessBy = (
      selections: Pick<SourcePool<'the cluster', SelectedKeys>, 'open'>,
    ): ClusterAccess => ({
      localPods,
      open: async (_connection, wanted) => {
        const seen = { ...asPlain(reader), isStale: this.#options.isStale }
        const { shared, selected } = splitByLabels(wanted)
        await this.watch(shared)
        const kinds = new Set(Object.keys(selected) as Kind[])
        if (kinds.size === 0) return seen
        const keys = await selections.open('the cluster', selected)
        return selectedReader(seen, { kinds, keys })
      },
    })
    const lease = () => {
      const leased = this.#selections.lease()
      return { ...accessBy(leased), [Symbol.dispose]: () => leased[Symbol.dispose]() }
    }
    return { ...accessBy(this.#selections), lease }
  }
}

/**
 * What all parts share has every object, and of Services, slices and Pods not every label: which of them labels select is asked of the
 * cluster. Namespaces keep all their labels, so the plugin selects among all of them.
 */
function splitByLabels(wanted: Wanted): { readonly shared: Wanted; readonly selected: Wanted } {
  const all = Object.entries(wanted)
  const selected = all.filter(
    ([kind, selection]) => selection?.labelSelector !== undefined && kind !== 'Namespace',
  )
  return {
    shared: Object.fromEntries(
      all.map(([kind, { fieldSelector }]) => [kind, fieldSelector ? { fieldSelector } : {}]),
    ),
    selected: Object.fromEntries(selected),
  }
}

/** The reader as an object of its own, which can be added to. */
const asPlain = (reader: StoreReader): StoreReader => ({
  get: (kind, key) => reader.get(kind, key),
  list: kind => reader.list(kind),
  isSynced: kind => reader.isSynced(kind),
  feed: kinds => reader.feed(kinds),
})

/** Configuration problems that name neither file nor field are of this field. */
function asProblemOf(field: string, error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error
  const problems = error.problems.map(problem =>
    problem.file === undefined && problem.field === undefined ? { ...problem, field } : problem,
  )
  return new ConfigError(problems)
}
