import { collectProcessMetrics } from '#linux/process-metrics.ts'
import { Counter, Gauge, type Metrics } from '#runtime/metrics.ts'
import { version } from '#runtime/version.ts'
import type { ReadinessCheck } from './readiness.ts'
import type { TrafficView } from './view/types.ts'

/** Service ports that have series of their own: those with the most connections. A cluster may have tens of thousands. */
export const MAX_COUNTED_PORTS = 100

const portLabels = ['namespace', 'service', 'port', 'protocol'] as const
type PortLabels = Record<(typeof portLabels)[number], string>

export type AgentMetricsOptions = {
  readonly checks: () => readonly ReadinessCheck[]
  /** What went through the service ports (`namespace/name:port/TCP`), asked when it is read. */
  readonly traffic: () => Promise<ReadonlyMap<string, TrafficView>>
}

/** Registers what no single part knows: which program this is, which parts do their job, what goes through Services. */
export function registerAgentMetrics(
  registry: Metrics,
  { checks, traffic }: AgentMetricsOptions,
): void {
  collectProcessMetrics(registry)
  const registers = [registry]
  new Gauge({
    name: 'nodeplane_build_info',
    help: 'Always 1; the label says which version this is',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1)
  new Gauge({
    name: 'nodeplane_part_ready',
    help: 'Does the part do its job for the node? As /readyz says it',
    labelNames: ['part'],
    registers,
    collect() {
      for (const { part, whyNot } of checks()) this.set({ part }, whyNot() === undefined ? 1 : 0)
    },
  })
  registerTraffic(registry, traffic)
}

function registerTraffic(registry: Metrics, traffic: AgentMetricsOptions['traffic']): void {
  // The three are collected together: the kernel's counters are sorted once for all of them.
  let collecting: Promise<ReturnType<typeof busiest>> | undefined
  const counted = () => {
    collecting ??= traffic()
      // A kernel that cannot be read is the proxy's to tell: the other metrics must be answered.
      .catch(() => new Map<string, TrafficView>())
      .then(busiest)
      .finally(() => {
        collecting = undefined
      })
    return collecting
  }
  const counter = (of: 'connections' | 'packets' | 'bytes', help: string) =>
    new Counter({
      name: `nodeplane_service_${of}_total`,
      help: `${help}, of the ${MAX_COUNTED_PORTS} ports with the most connections`,
      labelNames: portLabels,
      registers: [registry],
      async collect() {
        const ports = await counted()
        this.reset()
        for (const [labels, through] of ports) this.inc(labels, through[of])
      },
    })
  counter('connections', 'Connections to a service port')
  counter('packets', 'Packets through a service port, both directions')
  counter('bytes', 'Bytes through a service port, both directions')
}

/** The service ports with series of their own. Pure: among equals the key decides, so that a set stays what it is. */
export function busiest(
  traffic: ReadonlyMap<string, TrafficView>,
): readonly (readonly [PortLabels, TrafficView])[] {
  return [...traffic]
    .toSorted(([a, { connections: m }], [b, { connections: n }]) => n - m || (a < b ? -1 : 1))
    .slice(0, MAX_COUNTED_PORTS)
    .map(([key, counted]) => [labelsOf(key), counted])
}

function labelsOf(key: string): PortLabels {
  const [, namespace = '', service = '', port = '', protocol = ''] =
    /^([^/]*)\/([^:/]*):?([^/]*)\/(\w+)$/.exec(key) ?? []
  return { namespace, service, port, protocol }
}
