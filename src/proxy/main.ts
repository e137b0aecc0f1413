import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import { Conntrack } from '#linux/conntrack.ts'
import type { IpFamily } from '#net/ip.ts'
import { Backoff } from '#runtime/backoff.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { loadBackend, proxyModes } from './backends.ts'
import { ChangeTracker } from './change-tracker.ts'
import { ConntrackCleanup } from './conntrack-cleanup.ts'
import { createProxyMetrics, type FamilyMetrics } from './metrics.ts'
import { warnOfServices } from './service-warnings.ts'
import type { ProxySettings } from './settings.ts'
import { SyncRunner } from './sync-runner.ts'

/** Waits after failed syncs. */
const RETRY_INITIAL_MS = 100
const RETRY_MAX_MS = 5_000

/** One family's rules hold everything that the store had at this revision. */
export type Programmed = { readonly family: IpFamily; readonly revision: number }

export type ProxyOptions = {
  /** Fed with at least {@link wantedByProxy}; more does not matter, the proxy ignores what is not for it. */
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
}

/** The objects a proxy needs, by the selectors kube-proxy sends. */
export const wantedByProxy: Wanted = {
  Service: {
    labelSelector: '!service.kubernetes.io/service-proxy-name',
    fieldSelector: 'spec.clusterIP!=None',
  },
  EndpointSlice: { labelSelector: '!service.kubernetes.io/headless' },
}

/**
 * Keeps the kernel's Service rules like the store until `signal` is aborted, then returns and leaves the rules: traffic
 * keeps flowing. Nothing is written before Services and EndpointSlices are fully listed. Failures are logged and
 * retried, each family on its own.
 */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const { settings, metrics } = options
  const metricsOf = createProxyMetrics(metrics)
  await Promise.all([
    warnOfServices(
      { store: options.store, log: options.log.child({ component: 'proxy' }) },
      signal,
    ),
    ...settings.families.map(family =>
      runFamily({ ...options, family, metrics: metricsOf(family) }, signal),
    ),
  ])
}

type FamilyOptions = Omit<ProxyOptions, 'metrics'> & {
  readonly family: IpFamily
  readonly metrics: FamilyMetrics
}

async function runFamily(options: FamilyOptions, signal: AbortSignal): Promise<void> {
  const { family, store, settings, metrics, onQueued, onProgrammed } = options
  using feed = store.feed(['Service', 'EndpointSlice'])
  const tracker = new ChangeTracker(family, settings)
  const common = {
    tracker,
    metrics,
    log: options.log.child({ component: 'proxy', family }),
    clock: options.clock ?? systemClock,
  }
  const { mode = 'nftables' } = settings
  await using backend = await (await loadBackend(mode)).open({ ...common, family, settings })
  const cleanup = new ConntrackCleanup({
    ...common,
    family,
    nodePortAddresses: nodePortAddressesOf(options),
    open: () => Conntrack.open(),
  })
  const runner = new SyncRunner({
    ...common,
    feed,
    backend,
    backoff: new Backoff({ initialMs: RETRY_INITIAL_MS, maxMs: RETRY_MAX_MS }),
    onQueued: () => onQueued?.(family),
    onProgrammed(revision, changed) {
      onProgrammed?.({ family, revision })
      cleanup.note(changed)
    },
  })
  await Promise.all([runner.run(signal), cleanup.run(signal)])
}

const nodePortAddressesOf = ({ family, settings }: Pick<FamilyOptions, 'family' | 'settings'>) =>
  settings.nodePortAddresses.filter(prefix => prefix.family === family)

/**
 * Removes all rules that any earlier run installed, in every mode. Idempotent; established connections live on.
 * @throws {AggregateError} with what each mode could not remove; the others are removed all the same.
 */
export async function cleanupProxy(log: Logger, signal: AbortSignal): Promise<void> {
  const errors: unknown[] = []
  for (const mode of proxyModes) {
    try {
      const backend = await loadBackend(mode)
      await backend.cleanup({ log }, signal)
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 1) throw errors[0] as Error
  if (errors.length > 1) throw new AggregateError(errors, errors.map(describeError).join('; '))
}
