import type { Metrics } from '#runtime/metrics.ts'
import type { Transport } from '../../message.ts'
import { counter, durationBuckets, rcodeLabel } from '../../metric.ts'
import { weightedHistogram } from '../../weighted-histogram.ts'

export type ForwardMetrics = ReturnType<typeof forwardMetrics>
export type UpstreamMetrics = ReturnType<ForwardMetrics['of']>

/** The metrics of `forward`, by CoreDNS's names. */
export function forwardMetrics(metrics: Metrics) {
  const broken = counter(metrics, {
    name: 'coredns_forward_healthcheck_broken_total',
    help: 'Queries that found all servers down.',
  })
  const rejected = counter(metrics, {
    name: 'coredns_forward_max_concurrent_rejects_total',
    help: 'Queries that were refused because too many were under way.',
  })
  const durations = weightedHistogram(metrics, {
    name: 'coredns_proxy_request_duration_seconds',
    help: 'How long servers took to answer.',
    labels: ['proxy_name', 'to', 'rcode'],
    buckets: durationBuckets,
  })
  const failures = counter(metrics, {
    name: 'coredns_proxy_healthcheck_failures_total',
    help: 'Probes of servers that failed.',
    labels: ['proxy_name', 'to'],
  })
  const taken = (outcome: 'hits' | 'misses', help: string) =>
    counter(metrics, {
      name: `coredns_proxy_conn_cache_${outcome}_total`,
      help,
      labels: ['proxy_name', 'to', 'proto'],
    })
  const hits = taken('hits', 'Exchanges on a connection that was open.')
  const misses = taken('misses', 'Exchanges that opened a connection.')
  return {
    allDown: () => broken.inc(),
    rejected: () => rejected.inc(),
    /** Those of one server. */
    of(to: string) {
      const labels = { proxy_name: 'forward', to }
      const takenBy = (proto: Transport) => ({
        reused: hits.series({ ...labels, proto }),
        opened: misses.series({ ...labels, proto }),
      })
      const exchanges = { udp: takenBy('udp'), tcp: takenBy('tcp') }
      return {
        answered: (rcode: string, seconds: number) =>
          durations.observe({ ...labels, rcode: rcodeLabel(rcode) }, seconds, 1),
        probeFailed: () => failures.inc(labels),
        connected: (proto: Transport, reused: boolean) =>
          exchanges[proto][reused ? 'reused' : 'opened'].add(),
      }
    },
  }
}
