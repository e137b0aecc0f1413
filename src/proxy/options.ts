import type { EventSink } from '#cluster/events.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { Backend } from './backend.ts'
import type { ProxySettings } from './settings.ts'
import type { Modes } from './switching.ts'

/** One family's rules hold everything that the store had at this revision. */
export type Programmed = { readonly family: IpFamily; readonly revision: number }

/** See `serviceCounters` of {@link Backend}. */
export type ReadCounters = NonNullable<Backend['serviceCounters']>

export type ProxyOptions = {
  /**
   * Fed with at least `wantedByProxy`, and the own Node for its zone; more does not matter: the proxy ignores what is
   * not for it.
   */
  readonly store: StoreReader
  readonly settings: ProxySettings
  readonly log: Logger
  /** The proxy registers kube-proxy's metrics here. */
  readonly metrics: Metrics
  /** The machine's clock when not given. */
  readonly clock?: Clock | undefined
  /** Called when a family has changes that its rules lack. */
  readonly onQueued?: ((family: IpFamily) => void) | undefined
  /** Called after each successful sync of a family. */
  readonly onProgrammed?: ((programmed: Programmed) => void) | undefined
  /** Told of rules that somebody else took away or changed. */
  readonly onLoss?: LossSink | undefined
  /** Called once with what counts a family's traffic, where the mode does. */
  readonly onCounters?: ((family: IpFamily, read: ReadCounters) => void) | undefined
  /** Does the proxy keep up? Told to load balancers; yes when not given. */
  readonly isHealthy?: (() => boolean) | undefined
  /** Told what the cluster should know. */
  readonly onEvent?: EventSink | undefined
  /** Those of this build when not given. */
  readonly backends?: Omit<Modes, 'log'> | undefined
}
