import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { Counter, Gauge, Histogram, type Metrics } from '#runtime/metrics.ts'
import type { Plan } from './plan.ts'

/** What the routes report. */
export type RoutesMetrics = {
  /** This is what should be in the kernel. */
  planned(plan: Plan): void
  /** Plan and kernel were compared, and brought together as far as it went. */
  synced(sync: {
    readonly durationMs: number
    readonly writes: number
    readonly failures: number
  }): void
}

/** Registers the metrics. */
export function createRoutesMetrics(registry: Metrics): RoutesMetrics {
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `nodeplane_routes_${name}`, help, labelNames, registers })
  const perFamily = (name: string, help: string) => gauge(name, help, ['ip_family'])
  const counter = (name: string, help: string) =>
    new Counter({ name: `nodeplane_routes_${name}`, help, registers })
  const routes = perFamily('routes', 'Routes to the pods of other nodes that are wanted')
  const peers = perFamily('tunnel_peers', 'Nodes that are reached through the tunnel')
  const inside = perFamily('unmasqueraded_prefixes', 'Destinations that see the addresses of pods')
  const refused = gauge('refused', 'Ranges and addresses of Nodes that cannot be used')
  const mtu = gauge('mtu_bytes', 'MTU that is offered to pods')
  const writes = counter('writes_total', 'Changes that were made in the kernel')
  const failures = counter('failures_total', 'Changes that the kernel did not take')
  const duration = new Histogram({
    name: 'nodeplane_routes_sync_duration_seconds',
    help: 'Length of each comparison of the plan with the kernel, and of what it led to',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  })
  return {
    planned(plan) {
      for (const family of ipFamilies) {
        const labels = labelsOf(family)
        const tunnel = plan.tunnels.find(each => each.family === family)
        const masquerade = plan.masquerades.find(each => each.family === family)
        routes.set(labels, plan.routes.filter(each => each.destination.family === family).length)
        peers.set(labels, tunnel?.peers.length ?? 0)
        inside.set(labels, masquerade?.inside.length ?? 0)
      }
      refused.set(plan.refusals.length)
      if (plan.mtu !== undefined) mtu.set(plan.mtu)
    },
    synced(sync) {
      duration.observe(sync.durationMs / 1000)
      writes.inc(sync.writes)
      failures.inc(sync.failures)
    },
  }
}

const labelsOf = (family: IpFamily) => ({ ip_family: `IPv${family}` })
