import type { Connection } from '#cluster/open-source.ts'
import type { Wanted } from '#cluster/source.ts'
import type { Store } from '#cluster/store.ts'
import type { LineLog } from '#dns/line-log.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { AgentCluster } from '../cluster.ts'
import type { Probe } from '../health/probe.ts'
import type { Incidents } from '../incidents.ts'

/** One of the jobs that the agent does for its node. */
export type AgentPart = {
  /** The key of its settings in the agent's configuration, and its name in health, status and logs. */
  readonly name: PartName
  /** The objects it is made of; the store is fed with them before it runs. */
  readonly wanted: Wanted
  /** Why it does not do its job for the node yet, or no longer; undefined when it does. */
  readonly whyNot: () => string | undefined
  /** Looks whether the job is done, the way those do whom it is done for. Called while {@link whyNot} knows of nothing. */
  readonly probe?: Probe
  /** Does the job until the signal is aborted; what it has written to the kernel stays. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

export type PartName = 'routes' | 'proxy' | 'dns' | 'cni'

/** What the parts share. */
export type AgentContext = {
  readonly nodeName: string
  readonly connection: Connection
  readonly store: Store
  readonly cluster: AgentCluster
  readonly metrics: Metrics
  readonly incidents: Incidents
  readonly log: Logger
  /** CoreDNS's log on stdout. */
  readonly lines: LineLog
  readonly env: Readonly<Record<string, string | undefined>>
}
