import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { NO_TOP, registerTopClients } from '#agent/dns-top.ts'
import { Prober } from '#agent/health/prober.ts'
import { Incidents } from '#agent/incidents.ts'
import { registerAgentMetrics } from '#agent/metrics.ts'
import { createSnapshotMetrics } from '#agent/snapshot/metrics.ts'
import { countRequests } from '#cluster/api/request-metrics.ts'
import { Store } from '#cluster/store.ts'
import { createCallMetrics } from '#cni/server/metrics.ts'
import { FastPath } from '#dns/fast/fast-path.ts'
import { forwardMetrics } from '#dns/plugins/forward/forward-metrics.ts'
import { programmingDuration } from '#dns/plugins/kubernetes/programming-duration.ts'
import { restClientMetrics } from '#dns/rest-client-metrics.ts'
import * as dns from '#dns/server/metrics.ts'
import { setupBlock, stopPlugins } from '#dns/server/setup.ts'
import { collectProcessMetrics } from '#linux/process-metrics.ts'
import { createProxyMetrics } from '#proxy/metrics.ts'
import { registerComponentMetrics } from '#proxy/server/component-metrics.ts'
import { healthRoutes, ProxyHealth } from '#proxy/server/health.ts'
import { healthMetrics } from '#proxy/server/metrics.ts'
import { createRoutesMetrics } from '#routes/metrics.ts'
import { systemClock } from '#runtime/clock.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'
import { directives, setupContext } from './dns.ts'

export type RegisteredMetric = {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
}

type Register = (metrics: Metrics) => unknown

/** Starts a plugin that these lines of a Corefile name, and stops it. */
const plugin =
  (text: string): Register =>
  async metrics => {
    const context = setupContext({ metrics, directory: tmpdir() })
    const { plugins } = await setupBlock(directives(text), context)
    for (const each of plugins) await each.start?.()
    await stopPlugins(plugins)
  }

const health = () => new ProxyHealth({ families: [4, 6], syncPeriodMs: 30_000 }, systemClock)

/** Every file that makes metrics, and how they come into a registry. */
export const registrations: Readonly<Record<string, readonly Register[]>> = {
  'agent/dns-top.ts': [metrics => registerTopClients(metrics, async () => NO_TOP)],
  'agent/health/prober.ts': [
    metrics =>
      new Prober({
        parts: [],
        clock: systemClock,
        log: silentLogger(),
        metrics,
        onTrouble: () => () => undefined,
      }),
  ],
  'agent/incidents.ts': [metrics => new Incidents(systemClock, metrics)],
  'agent/metrics.ts': [
    metrics => registerAgentMetrics(metrics, { checks: () => [], traffic: async () => new Map() }),
  ],
  'agent/snapshot/metrics.ts': [metrics => createSnapshotMetrics(metrics, () => undefined)],
  'cluster/api/request-metrics.ts': [metrics => countRequests(metrics)],
  'cni/server/metrics.ts': [metrics => createCallMetrics(metrics, () => 0)],
  'dns/fast/fast-path.ts': [metrics => new FastPath({ maxOctets: 1 << 20, metrics })],
  'dns/plugins/acl/plugin.ts': [plugin('acl {\n  block net 192.0.2.0/24\n}')],
  'dns/plugins/autopath/plugin.ts': [plugin('autopath /dev/null')],
  'dns/plugins/cache/cache-metrics.ts': [plugin('cache')],
  'dns/plugins/dns64/plugin.ts': [plugin('dns64')],
  'dns/plugins/forward/forward-metrics.ts': [forwardMetrics],
  'dns/plugins/health/plugin.ts': [plugin('health')],
  'dns/plugins/hosts/plugin.ts': [plugin('hosts')],
  'dns/plugins/kubernetes/programming-duration.ts': [
    metrics => programmingDuration(metrics, new Store()),
  ],
  'dns/plugins/local/plugin.ts': [plugin('local')],
  'dns/plugins/pods_policy/plugin.ts': [
    plugin(
      'pods_policy {\n  node node-a\n  cluster_domain cluster.local\n  resolv_conf /dev/null\n}',
    ),
  ],
  'dns/plugins/prometheus/plugin.ts': [plugin('prometheus')],
  'dns/plugins/reload/plugin.ts': [plugin('reload')],
  'dns/plugins/template/plugin.ts': [plugin('template ANY ANY {\n  rcode NXDOMAIN\n}')],
  'dns/rest-client-metrics.ts': [restClientMetrics],
  'dns/server/metrics.ts': [
    dns.exchangeMetrics,
    dns.panicsMetric,
    dns.reloadFailures,
    dns.httpResponses,
    metrics => dns.showBuild(metrics, { version: '', goversion: '' }),
  ],
  'linux/process-metrics.ts': [collectProcessMetrics],
  'proxy/iptables/metrics.ts': [
    metrics => createProxyMetrics(metrics, 'iptables')(4).iptables.countPackets(async () => 0),
  ],
  'proxy/metrics.ts': [metrics => createProxyMetrics(metrics, 'nftables')],
  'proxy/server/component-metrics.ts': [
    metrics => registerComponentMetrics(metrics, { featureGates: {} }),
  ],
  'proxy/server/health.ts': [
    metrics =>
      healthRoutes({ health: health(), node: () => undefined, metrics, clock: systemClock }),
  ],
  'proxy/server/metrics.ts': [metrics => healthMetrics(metrics, health())],
  'routes/metrics.ts': [createRoutesMetrics],
}

/** Whether a source file makes metrics of its own. */
export const makesMetrics = (path: string): boolean =>
  /new (Counter|Gauge|Histogram)\b|\b(counter|gauge|histogram|weightedHistogram)\((context\.)?metrics,/.test(
    readFileSync(path, 'utf8'),
  )

/** All metrics that any part makes, by name. */
export async function registeredMetrics(): Promise<ReadonlyMap<string, RegisteredMetric>> {
  const found = new Map<string, RegisteredMetric>()
  for (const register of Object.values(registrations).flat()) {
    // Each alone: some parts make the same ones, each for a registry of its own.
    const metrics = createMetrics()
    await register(metrics)
    for (const metric of metrics.getMetricsAsArray()) {
      const { name, type, labelNames } = metric as unknown as {
        readonly name: string
        readonly type: string
        readonly labelNames: readonly string[]
      }
      found.set(name, { name, type, labels: labelNames })
    }
  }
  return found
}
