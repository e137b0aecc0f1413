import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { Directive } from './corefile/directive.ts'
import type { HttpSites } from './http-sites.ts'
import type { LineLog } from './line-log.ts'
import type { Metadata, Query, Reply, ResourceRecord } from './message.ts'
import type { KubeletDns } from './policy/kubelet-dns.ts'
import type { PodsByAddress } from './policy/pods-by-address.ts'
import { Unanswered } from './unanswered.ts'
import type { ZoneIndex } from './zone/zone-index.ts'
import type { ZoneOptions } from './zone/zone-options.ts'

/**
 * Answers one query. A thrown error means that no answer could be found; the server makes SERVFAIL of it, `errors` logs it.
 * `undefined` means that nothing is sent (as `acl`'s drop does).
 */
export type Handler = (
  query: Query,
  signal: AbortSignal,
) => Reply | undefined | Promise<Reply | undefined>

/** One plugin of one server block, set up. Every part but the name is optional. */
export type Plugin = {
  readonly name: string
  /** Wraps the handler of the plugins behind it. A plugin without it only configures or serves HTTP. */
  wrap?(next: Handler): Handler
  /**
   * Told of every query of the block once its answer is made. For `log` and `prometheus`; it must not throw or wait.
   * @param times of how many equal queries; more than 1 only for a plugin with {@link fastPath}.
   */
  observe?(exchange: Exchange, times?: number): void
  /**
   * May answers that came through this plugin be given again without it, where their `remember` says so? It decides nothing by
   * client, time or chance but what it says there, and hears of queries afterwards, summed up. A plugin that wraps or observes
   * without it keeps its whole server block off the fast path.
   */
  readonly fastPath?: true
  /** Called when the listeners are open. It must not wait for long. */
  start?(): void | Promise<void>
  /** For `ready`: can it answer now? A plugin without it is always ready. */
  isReady?(): boolean
  /** Called when the server stops taking queries, before {@link stop}; may wait (health's lameduck). */
  shutdown?(): Promise<void>
  /** Is the query one for this block? Where it says no, other blocks are looked at. For `view`. */
  filter?(query: Query): boolean
  /** For `transfer`: the zones that it has whole. */
  readonly transfers?: TransferSource
  /** For people who look into a cache. */
  readonly cached?: CachedAnswers
  /** What the plugin knows of the cluster. For `autopath` and `k8s_external`. */
  readonly clusterZone?: ClusterZone
  /** For `metadata`: puts the labels that the plugin knows of a query into `labels`. It must not throw. */
  label?(query: Query, labels: Metadata): void
  /** Ends what it runs. Called once, also when start was not. */
  stop?(): void | Promise<void>
}

/** The names of a cluster. */
export type ClusterZone = {
  readonly index: ZoneIndex
  readonly options: ZoneOptions
  /** Is all known that there is? A name that is not known may be denied only then. */
  mayDeny(): boolean
}

/** What a cache has. */
export type CachedAnswers = {
  readonly zones: readonly string[]
  /** All of it, or what is there for a name (fully qualified, in any letters). Looking changes and counts nothing. */
  readonly list: (name: string | undefined) => IteratorObject<CachedAnswer>
}

export type CachedAnswer = {
  /** Lower case. */
  readonly name: string
  readonly type: string
  readonly rcode: string
  /** Seconds that it has left; negative: for how long it has been stale. */
  readonly ttl: number
  /** What its records say, the question's own name left out. */
  readonly records: readonly string[]
}

/** Zones that may be copied. */
export type TransferSource = {
  /** The zones, lower case. */
  zones(): readonly string[]
  /** The whole zone as it is now, or undefined when it is not there (yet). */
  zone(zone: string): TransferredZone | undefined
  /** Tells whenever a zone changed, until the signal is aborted. */
  onChange(listener: (zone: string) => void, signal: AbortSignal): void
}

/** All records of a zone, as they were when it was asked for. */
export type TransferredZone = {
  readonly soa: ResourceRecord
  /** Without the SOA record. */
  readonly records: Iterable<ResourceRecord>
}

/** A query and what became of it. */
export type Exchange = {
  readonly query: Query
  /** undefined: nothing was sent. */
  readonly reply: Reply | undefined
  /** Of the answer that was sent; that of an unanswered query is the server's. */
  readonly rcode: string
  /** `dns://:53`: the listener that took the query. */
  readonly server: string
  /** The zone of the server block that the name fell in; `dropped` when it fell in none. */
  readonly zone: string
  /** The view of the server block; empty without one. */
  readonly view: string
  /** The plugin that the query got to last, and so that answered; empty when none was asked. */
  readonly plugin: string
  readonly requestOctets: number
  readonly replyOctets: number
  readonly durationSeconds: number
}

/** One server block, set up. */
export type BlockView = { readonly zones: readonly string[]; readonly plugins: readonly Plugin[] }

/** The Corefile that is served. */
export type ServedCorefile = {
  /** SHA-512 over the Corefile and all that it imports, in hexadecimal; undefined for one that is not a file. */
  readonly hash: string | undefined
  /**
   * Reads the files again, those of certificates too, and serves them when they changed. Failure is logged and counted, never thrown.
   */
  reloadIfChanged(): Promise<void>
}

/** What a plugin's set-up may use. */
export type SetupContext = {
  /** The zones of the server block: lower case, ending in a dot. */
  readonly zones: readonly string[]
  /** `dns://:53`: the `server` label of metrics. */
  readonly server: string
  /** What the `view` of the block is called, for metrics; empty without one. */
  readonly view: string
  /** Paths in the Corefile are relative to this folder. */
  readonly directory: string
  readonly log: Logger
  readonly metrics: Metrics
  /** Looks a name up through the server, from the choice of the server block on. */
  readonly lookup: Handler
  readonly cluster: ClusterAccess
  /** All plugins of all blocks, once every block is set up: `ready` asks them. */
  readonly allPlugins: () => readonly Plugin[]
  /** The same by server block, in file order. */
  readonly blocks: () => readonly BlockView[]
  /** CoreDNS's log on stdout: what `log` and `errors` write. Everything else goes to {@link log}. */
  readonly lines: LineLog
  /** HTTP servers of plugins; they live on when a reload asks for them again. */
  readonly http: HttpSites
  readonly corefile: ServedCorefile
  /** Ends the server: it cannot do its work. For `loop`. */
  readonly fail: (error: Error) => void
}

/** How the `kubernetes` plugin gets at objects. */
export type ClusterAccess = {
  /**
   * A store that has, or will have, the wanted kinds, of them the selected objects alone: the labels that are selected by need not be
   * among those that objects keep. Equal connections share one store. In the agent it shows the agent's store, and the connection is
   * not looked at.
   */
  open(connection: ClusterConnection, wanted: Wanted): Promise<StoreReader> | StoreReader
  /**
   * The same access for one configuration: what is opened through it is given back when it is disposed. Without it, stores
   * live as long as the server.
   */
  lease?(): ClusterAccess & Disposable
  /** What the process knows of this node's Pods; absent outside the agent. For `pods_policy`. */
  localPods?(): Promise<LocalPods>
}

/** The Pods of this node, and what its kubelet is told about DNS. */
export type LocalPods = { readonly pods: PodsByAddress; readonly kubelet: KubeletDns }

/** The connection options of a `kubernetes` block. All absent: the in-cluster service account. */
export type ClusterConnection = {
  readonly manifests?: string | undefined
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly endpoint?: string | undefined
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string } | undefined
}

/** What the registry knows of a plugin: its name in the Corefile and how to set it up. */
export type PluginDefinition = {
  readonly name: string
  /** May it stand more than once in a block? Then setup gets all its directives, in file order. */
  readonly repeatable: boolean
  /** A plugin without which it can do nothing: it must stand in the same server block. */
  readonly needs?: string
  /** @throws {ConfigError} with file and line of each problem. */
  setup(directives: readonly Directive[], context: SetupContext): Plugin | Promise<Plugin>
}

/** Stands behind the last plugin of a block. */
export const endOfChain: Handler = () => {
  throw new Unanswered('SERVFAIL', 'no plugin of the server block answers this name')
}

/** One handler of plugins and the handler behind the last of them. Notes in the query's trace how far it got. */
export const chain = (plugins: readonly Plugin[], last: Handler): Handler =>
  plugins.reduceRight((next, plugin) => {
    const handler = plugin.wrap?.(next)
    return handler === undefined ? next : traced(plugin.name, handler)
  }, last)

const traced =
  (plugin: string, handler: Handler): Handler =>
  (query, signal) => {
    if (query.trace !== undefined) query.trace.plugin = plugin
    return handler(query, signal)
  }
