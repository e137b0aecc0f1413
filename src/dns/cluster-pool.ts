import type { Source, SourceOptions } from '#cluster/source.ts'
import { SourcePool } from '#cluster/source-pool.ts'
import { Store } from '#cluster/store.ts'
import type { Logger } from '#runtime/log.ts'
import type { ClusterAccess, ClusterConnection } from './plugin.ts'

/** Stores of a server that is not part of an agent. */
export const clusterPool = (options: {
  /** Makes the source of a connection. @throws {ConfigError} the connection makes no sense. */
  readonly sourceOf: (connection: ClusterConnection, options: SourceOptions) => Promise<Source>
  readonly log: Logger
}): ClusterAccess & Pick<SourcePool<ClusterConnection, Store>, 'open' | 'lease'> =>
  new SourcePool({ ...options, targetOf: () => new Store() })
