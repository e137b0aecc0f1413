import type { IpFamily } from '#net/ip.ts'
import { Counter, createMetrics, Gauge, Histogram, type Metrics } from '#runtime/metrics.ts'
import { createIptablesMetrics, type IptablesMetrics } from './iptables/metrics.ts'
import type { WithoutLocal } from './no-local-endpoints.ts'
import type { ProxyMode } from './settings.ts'

/** Seconds: a millisecond, then each bucket twice the one before, 15 of them (kube-proxy's). */
const SYNC_BUCKETS = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power)

const steps = (from: number, to: number, step: number): readonly number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step)

/** Seconds from a cluster change to its rules (kube-proxy's buckets). */
const PROGRAMMING_BUCKETS = [
  0.25,
  0.5,
  ...steps(1, 59, 1),
  ...steps(60, 115, 5),
  ...steps(120, 300, 30),
]

type ObjectKind = 'Service' | 'EndpointSlice'
type Sync = { readonly full: boolean; readonly durationMs: number }

/** What one family's syncs report, under kube-proxy's names. */
export type FamilyMetrics = {
  /** A sync has become necessary; the time is milliseconds since the epoch. */
  queued(atMs: number): void
  /** One Service or slice change was seen. */
  seen(kind: ObjectKind): void
  /** Such a change is not in the kernel yet; of a Service several count as one. */
  waits(object: { readonly kind: ObjectKind; readonly key: string }): void
  /** All that waited is in the kernel. */
  synced(sync: Sync & { /** Milliseconds since the epoch. */ readonly atMs: number }): void
  /** It is tried again. */
  failed(sync: Sync): void
  /** Service ports whose policy is Local and that have endpoints elsewhere only. */
  withoutLocal(count: WithoutLocal): void
  /** Stale UDP conntrack entries were looked for and deleted. */
  cleanedUp(cleanup: { readonly durationMs: number; readonly deleted: number }): void
  /** This long after the trigger named in a slice its rules are in the kernel. */
  programmed(latencyMs: number): void
  readonly iptables: IptablesMetrics
}

/** Registers the proxy's metrics of a mode, one set for both families; gives what each family reports to. */
export function createProxyMetrics(
  registry: Metrics,
  mode: ProxyMode,
): (family: IpFamily) => FamilyMetrics {
  const registers = [registry]
  const labelNames = ['ip_family']
  const prefix = 'kubeproxy_sync_proxy_rules_'
  const syncs = (name: string, help: string) =>
    new Histogram({ name, help, labelNames, registers, buckets: SYNC_BUCKETS })
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers })
  const duration = syncs(`${prefix}duration_seconds`, 'Length of each sync')
  const full = syncs('kubeproxy_sync_full_proxy_rules_duration_seconds', 'Length of full syncs')
  const partial = syncs(
    'kubeproxy_sync_partial_proxy_rules_duration_seconds',
    'Length of syncs of changes only',
  )
  const last = gauge(`${prefix}last_timestamp_seconds`, 'Unix time of the last successful sync')
  const queued = gauge(
    `${prefix}last_queued_timestamp_seconds`,
    'Unix time a sync was last requested',
  )
  const failures = mode === 'nftables' ? failureMetric(prefix, registers) : undefined
  const withoutLocal = new Gauge({
    name: `${prefix}no_local_endpoints_total`,
    help: 'Service ports whose traffic policy is Local and that have no endpoint on this node',
    labelNames: [...labelNames, 'traffic_policy'],
    registers,
  })
  const latency = new Histogram({
    name: 'kubeproxy_network_programming_duration_seconds',
    help: 'Time from the change of endpoints to its rules in the kernel',
    labelNames,
    registers,
    buckets: PROGRAMMING_BUCKETS,
  })
  const cleanups = syncs(
    'kubeproxy_conntrack_reconciler_sync_duration_seconds',
    'Length of each clean-up of UDP conntrack entries',
  )
  const deletions = new Counter({
    name: 'kubeproxy_conntrack_reconciler_deleted_entries_total',
    help: 'UDP conntrack entries deleted',
    labelNames,
    registers,
  })
  /** Of each family: Services, and slices for each of their changes. */
  const waiting: { readonly services: Set<string>; slices: number }[] = []
  const seen = {
    Service: changeMetrics(
      'service',
      prefix,
      registers,
      () =>
        waiting.map(({ services }) => services).reduce((all, some) => all.union(some), NONE).size,
    ),
    EndpointSlice: changeMetrics('endpoint', prefix, registers, () =>
      waiting.reduce((sum, { slices }) => sum + slices, 0),
    ),
  }

  // Nobody scrapes those of a mode that is not run.
  const iptables = createIptablesMetrics(mode === 'nftables' ? createMetrics() : registry)

  return family => {
    const labels = { ip_family: `IPv${family}` }
    const own = { services: new Set<string>(), slices: 0 }
    waiting.push(own)
    const observe = ({ full: isFull, durationMs }: Sync) => {
      duration.observe(labels, durationMs / 1000)
      const kind = isFull ? full : partial
      kind.observe(labels, durationMs / 1000)
    }
    return {
      queued: atMs => queued.set(labels, atMs / 1000),
      seen: kind => seen[kind].inc(),
      waits({ kind, key }) {
        if (kind === 'Service') own.services.add(key)
        else own.slices++
      },
      synced(sync) {
        observe(sync)
        last.set(labels, sync.atMs / 1000)
        own.services.clear()
        own.slices = 0
      },
      failed(sync) {
        observe(sync)
        failures?.inc(labels)
      },
      withoutLocal({ internal, external }) {
        withoutLocal.set({ ...labels, traffic_policy: 'internal' }, internal)
        withoutLocal.set({ ...labels, traffic_policy: 'external' }, external)
      },
      cleanedUp({ durationMs, deleted }) {
        cleanups.observe(labels, durationMs / 1000)
        deletions.inc(labels, deleted)
      },
      programmed: latencyMs => latency.observe(labels, latencyMs / 1000),
      iptables: iptables(family),
    }
  }
}

/** Names of mode nftables; the other modes count what their programs refuse. */
function failureMetric(prefix: string, registers: Metrics[]): Counter<'ip_family'> {
  const counter = (name: string, help: string) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames: ['ip_family'] as const, registers })
  // Stays at none: what could not be deleted is a failed sync here, and counted as one.
  counter('nftables_cleanup_failures_total', 'Deletions that failed')
  return counter('nftables_sync_failures_total', 'Syncs that failed')
}

/** Those of a kind of objects; gives the counter of changes seen. */
function changeMetrics(
  name: string,
  prefix: string,
  registers: Metrics[],
  countWaiting: () => number,
): Counter {
  new Gauge({
    name: `${prefix}${name}_changes_pending`,
    help: `Changes of ${name}s that are not in the kernel yet`,
    registers,
    collect() {
      this.set(countWaiting())
    },
  })
  return new Counter({
    name: `${prefix}${name}_changes_total`,
    help: `Changes of ${name}s seen`,
    registers,
  })
}

const NONE: ReadonlySet<string> = new Set()
