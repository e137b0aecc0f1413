import type { IpFamily } from '#net/ip.ts'
import { Counter, Gauge, type Metrics } from '#runtime/metrics.ts'
import type { PacketCounter } from './counter-match.ts'

/** What one family's writes report, under kube-proxy's names. */
export type IptablesMetrics = {
  /** A table has so many rules of ours, of which the last sync wrote so many. */
  wrote(table: 'filter' | 'nat', rules: { readonly total: number; readonly last: number }): void
  /** iptables-restore failed, or could not be run. */
  restoreFailed(sync: { readonly full: boolean }): void
  /** There are counters of packets; they are read whenever somebody asks for the metrics. */
  countPackets(read: (counter: PacketCounter) => Promise<number | undefined>): void
}

const PREFIX = 'kubeproxy_sync_proxy_rules_iptables_'

const packetMetrics: Readonly<Record<PacketCounter, { name: string; help: string }>> = {
  invalid: {
    name: 'kubeproxy_iptables_ct_state_invalid_dropped_packets_total',
    help: 'Packets dropped because conntrack calls them INVALID',
  },
  localhost: {
    name: 'kubeproxy_iptables_localhost_nodeports_accepted_packets_total',
    help: 'First packets of connections to node ports on loopback addresses',
  },
}

/** Registers the metrics, one set for both families; gives what each family reports to. */
export function createIptablesMetrics(registry: Metrics): (family: IpFamily) => IptablesMetrics {
  const registers = [registry]
  const rules = (name: string, help: string) =>
    new Gauge({ name: PREFIX + name, help, labelNames: ['ip_family', 'table'], registers })
  const failures = (name: string, help: string) =>
    new Counter({ name: PREFIX + name, help, labelNames: ['ip_family'], registers })
  const total = rules('total', 'Rules of the proxy')
  const last = rules('last', 'Rules written by the last sync')
  const failed = failures('restore_failures_total', 'Runs of iptables-restore that failed')
  const partialFailed = failures('partial_restore_failures_total', 'Partial syncs that failed')
  return family => {
    const labels = { ip_family: `IPv${family}` }
    return {
      countPackets(read) {
        for (const [counter, { name, help }] of Object.entries(packetMetrics)) {
          // Both families count into the same.
          if (registry.getSingleMetric(name) !== undefined) continue
          new Counter({
            name,
            help,
            registers,
            async collect() {
              const packets = await read(counter as PacketCounter)
              this.reset()
              this.inc(packets ?? 0)
            },
          })
        }
      },
      wrote(table, counts) {
        total.set({ ...labels, table }, counts.total)
        last.set({ ...labels, table }, counts.last)
      },
      restoreFailed({ full }) {
        failed.inc(labels)
        if (!full) partialFailed.inc(labels)
      },
    }
  }
}
