import type { IpFamily } from '#net/ip.ts'
import { Counter, Gauge, type Metrics } from '#runtime/metrics.ts'

/** What one family's writes report, under kube-proxy's names. */
export type IptablesMetrics = {
  /** A table has so many rules of ours, of which the last sync wrote so many. */
  wrote(table: 'filter' | 'nat', rules: { readonly total: number; readonly last: number }): void
  /** iptables-restore failed, or could not be run. */
  restoreFailed(sync: { readonly full: boolean }): void
}

const PREFIX = 'kubeproxy_sync_proxy_rules_iptables_'

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
