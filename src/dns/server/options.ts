import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { LineLog } from '../line-log.ts'
import type { ClusterAccess } from '../plugin.ts'
import type { CorefileSource } from './read-corefile.ts'

export type DnsServerOptions = {
  readonly corefile: CorefileSource
  /** For keys of server blocks that name no port; 53 when not given. */
  readonly defaultPort?: number | undefined
  /** Where `kubernetes` finds objects. */
  readonly cluster: ClusterAccess
  readonly log: Logger
  readonly metrics: Metrics
  /** CoreDNS's log on stdout. */
  readonly lines: LineLog
  /** For variables in the Corefile. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Threads of the fast path for each address and port; 0 and undefined: it is off. */
  readonly fastPathWorkers?: number | undefined
  /** Has every server block the plugin `pods_policy`, also where the Corefile does not say it? */
  readonly podsPolicy?: boolean | undefined
}
