import type { Kind } from '#cluster/objects.ts'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { SelectedKeys } from '#cluster/selected-keys.ts'
import { selectedReader } from '#cluster/selected-reader.ts'
import type { Wanted } from '#cluster/source.ts'
import { SourcePool } from '#cluster/source-pool.ts'
import type { Store, StoreReader } from '#cluster/store.ts'
import type { ClusterAccess, LocalPods } from '#dns/plugin.ts'
import { ConfigError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { NodePods } from './node-pods.ts'

type AgentClusterOptions = {
  readonly connection: Connection
  readonly store: Store
  readonly log: Logger
  /** A source ended though nobody stopped it. */
  readonly onFailure: (error: unknown) => void
}

/** Fills the agent's one store: each kind is read once, whoever wants it. */
export class AgentCluster {
  readonly #options: AgentClusterOptions
  readonly #signal: AbortSignal
  readonly #watched = new Set<Kind>()
  /** Which objects labels select, for the configurations of DNS that say so. */
  readonly #selections: SourcePool<'the cluster', SelectedKeys>
  #origin = ''
  #nodePods: Promise<NodePods> | undefined

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

  /** Where objects come from: a URL or a path; empty before the first is asked for. */
  get origin(): string {
    return this.#origin
  }

  /** The kinds that are read. */
  get kinds(): readonly Kind[] {
    return [...this.#watched]
  }

  /**
   * Starts to read the kinds of `wanted` that are not read yet.
   * @throws {ConfigError} the connection makes no sense.
   */
  async watch(wanted: Wanted): Promise<void> {
    const missing = Object.entries(wanted).filter(([kind]) => !this.#watched.has(kind as Kind))
    if (missing.length === 0) return
    for (const [kind] of missing) this.#watched.add(kind as Kind)
    const { connection, store, log, onFailure } = this.#options
    const source = await openSource(connection, { wanted: Object.fromEntries(missing), log }).catch(
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

  /** The Pods of the node, read from the first call on. @throws {ConfigError} the connection makes no sense. */
  podsOf(nodeName: string): Promise<NodePods> {
    const { connection, log, onFailure } = this.#options
    this.#nodePods ??= NodePods.watch({ connection, nodeName, log, onFailure }, this.#signal)
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
        const { shared, selected } = splitByLabels(wanted)
        await this.watch(shared)
        const kinds = new Set(Object.keys(selected) as Kind[])
        if (kinds.size === 0) return reader
        const keys = await selections.open('the cluster', selected)
        return selectedReader(reader, { kinds, keys })
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

/** Configuration problems that name neither file nor field are of this field. */
function asProblemOf(field: string, error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error
  const problems = error.problems.map(problem =>
    problem.file === undefined && problem.field === undefined ? { ...problem, field } : problem,
  )
  return new ConfigError(problems)
}
