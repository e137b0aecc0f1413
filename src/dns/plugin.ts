import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { Directive } from './corefile/parser.ts'
import type { Query, Reply } from './message.ts'

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
  /** Called when the listeners are open. It must not wait for long. */
  start?(): void | Promise<void>
  /** For `ready`: can it answer now? A plugin without it is always ready. */
  isReady?(): boolean
  /** Called when the server stops taking queries, before {@link stop}; may wait (health's lameduck). */
  shutdown?(): Promise<void>
  /** Ends what it runs. Called once, also when start was not. */
  stop?(): void | Promise<void>
}

/** What a plugin's set-up may use. */
export type SetupContext = {
  /** The zones of the server block: lower case, ending in a dot. */
  readonly zones: readonly string[]
  /** `dns://:53`: the `server` label of metrics. */
  readonly server: string
  /** Paths in the Corefile are relative to this folder. */
  readonly directory: string
  readonly log: Logger
  readonly metrics: Metrics
  /** Looks a name up through the server, from the choice of the server block on (spec: 3.8). */
  readonly lookup: Handler
  readonly cluster: ClusterAccess
  /** All plugins of all blocks, once every block is set up: `ready` asks them. */
  readonly allPlugins: () => readonly Plugin[]
}

/** How the `kubernetes` plugin gets at objects. */
export type ClusterAccess = {
  /**
   * A store that has, or will have, the wanted kinds. Equal connections share one store. In the agent it is the agent's
   * store and the connection is not looked at.
   */
  open(connection: ClusterConnection, wanted: Wanted): Promise<StoreReader> | StoreReader
}

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
  /** @throws {ConfigError} with file and line of each problem. */
  setup(directives: readonly Directive[], context: SetupContext): Plugin | Promise<Plugin>
}

/** One handler of plugins and the handler behind the last of them. */
export const chain = (plugins: readonly Plugin[], last: Handler): Handler =>
  plugins.reduceRight((next, plugin) => plugin.wrap?.(next) ?? next, last)
