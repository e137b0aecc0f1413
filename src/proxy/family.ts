import { Conntrack } from '#linux/conntrack.ts'
import type { IpFamily } from '#net/ip.ts'
import { Backoff } from '#runtime/backoff.ts'
import { systemClock } from '#runtime/clock.ts'
import { Pace } from '#runtime/pace.ts'
import type { BackendModule } from './backend.ts'
import { ChangeTracker } from './change-tracker.ts'
import { ConntrackCleanup } from './conntrack-cleanup.ts'
import { HealthCheckServers } from './health-check/servers.ts'
import type { FamilyMetrics } from './metrics.ts'
import { healthCheckHosts, nodePortPrefixes } from './node-port-addresses.ts'
import type { ProxyOptions } from './options.ts'
import type { OwnPlace } from './place.ts'
import type { ServiceCIDRs } from './service-cidrs.ts'
import { SyncRunner } from './sync-runner.ts'

/** Waits after failed syncs and clean-ups. */
const RETRY = { initialMs: 100, maxMs: 5_000 }
/** Waits after ports that could not be opened. */
const LISTEN_RETRY = { initialMs: 1_000, maxMs: 30_000 }

export type FamilyOptions = Omit<ProxyOptions, 'metrics'> & {
  readonly family: IpFamily
  readonly metrics: FamilyMetrics
  readonly place: OwnPlace
  readonly serviceCIDRs: ServiceCIDRs
  readonly module: BackendModule
}

/** Keeps one family's rules, UDP flows and health checks like the store until the signal is aborted. */
export async function runFamily(options: FamilyOptions, signal: AbortSignal): Promise<void> {
  const { family, store, settings, metrics, place, serviceCIDRs, module } = options
  const { onQueued, onProgrammed } = options
  using feed = store.feed(['Service', 'EndpointSlice'])
  const tracker = new ChangeTracker(family, place, settings)
  const common = {
    family,
    tracker,
    metrics,
    log: options.log.child({ component: 'proxy', family }),
    clock: options.clock ?? systemClock,
  }
  const rangesOfFamily = () => serviceCIDRs.of(family)
  await using backend = await module.open({ ...common, settings, serviceCIDRs: rangesOfFamily })
  const read = backend.serviceCounters?.bind(backend)
  if (read !== undefined) options.onCounters?.(family, read)
  const cleanup = new ConntrackCleanup({
    ...common,
    nodePortAddresses: nodePortPrefixes(settings, family),
    hasLocalhostNodePorts: module.hasLocalhostNodePorts?.(settings, family) ?? false,
    open: () => Conntrack.open(),
    backoff: new Backoff(RETRY),
  })
  const healthChecks = new HealthCheckServers({
    ...common,
    hosts: () => healthCheckHosts(settings, family),
    isHealthy: options.isHealthy ?? (() => true),
    onEvent: options.onEvent ?? (() => {}),
    backoff: new Backoff(LISTEN_RETRY),
  })
  const runner = new SyncRunner({
    ...common,
    feed,
    backend,
    backoff: new Backoff(RETRY),
    onQueued: () => onQueued?.(family),
    onLoss: loss => {
      const healed = options.onLoss?.(loss)
      return () => {
        healed?.()
        cleanup.noteRepair()
      }
    },
    async onProgrammed(revision, changed) {
      onProgrammed?.({ family, revision })
      const pace = new Pace()
      for (const service of changed) {
        healthChecks.note([service])
        cleanup.note([service])
        await pace.breathe()
      }
    },
  })
  place.onMove(() => runner.recompute())
  serviceCIDRs.onChange(() => runner.refresh())
  await Promise.all([runner.run(signal), cleanup.run(signal), healthChecks.run(signal)])
}
