import { familyOf } from '#net/ip.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { counter, durationBuckets, gauge, rcodeLabel, sizeBuckets } from '../metric.ts'
import type { Exchange } from '../plugin.ts'
import { weightedHistogram } from '../weighted-histogram.ts'

/** Types with a label of their own; the rest is `other`, so that a client cannot make metrics grow. */
// biome-ignore format: a table reads better than a column.
const labelledTypes: ReadonlySet<string> = new Set([
  'A', 'AAAA', 'MX', 'SOA', 'CNAME', 'PTR', 'TXT', 'NS', 'SRV', 'DS', 'DNSKEY', 'RRSIG', 'NSEC', 'NSEC3', 'HTTPS', 'SVCB',
  'IXFR', 'AXFR', 'ANY',
])

/** CoreDNS's metrics of queries and answers, by its names. Gives what records an exchange, or several equal ones. */
export function exchangeMetrics(metrics: Metrics): (exchange: Exchange, times?: number) => void {
  const base = ['server', 'zone', 'view'] as const
  const requests = counter(metrics, {
    name: 'coredns_dns_requests_total',
    help: 'Queries taken.',
    labels: [...base, 'proto', 'family', 'type'],
  })
  const durations = weightedHistogram(metrics, {
    name: 'coredns_dns_request_duration_seconds',
    help: 'Time from taking a query to having its answer.',
    labels: base,
    buckets: durationBuckets,
  })
  const requestSizes = weightedHistogram(metrics, {
    name: 'coredns_dns_request_size_bytes',
    help: 'Size of queries.',
    labels: [...base, 'proto'],
    buckets: sizeBuckets,
  })
  const responseSizes = weightedHistogram(metrics, {
    name: 'coredns_dns_response_size_bytes',
    help: 'Size of answers.',
    labels: [...base, 'proto'],
    buckets: sizeBuckets,
  })
  const dnssecOk = counter(metrics, {
    name: 'coredns_dns_do_requests_total',
    help: 'Queries with the DO bit.',
    labels: base,
  })
  const responses = counter(metrics, {
    name: 'coredns_dns_responses_total',
    help: 'Answers by rcode and the plugin that gave them.',
    labels: [...base, 'rcode', 'plugin'],
  })
  return (exchange, times = 1) => {
    const { query, server, zone, view, rcode, plugin } = exchange
    const labels = { server, zone, view }
    const proto = query.transport
    const family = familyOf(query.client.address) === 4 ? '1' : '2'
    const type = labelledTypes.has(query.question.type) ? query.question.type : 'other'
    requests.series({ ...labels, proto, family, type }).add(times)
    if (query.edns?.dnssecOk === true) dnssecOk.series(labels).add(times)
    durations.observe(labels, exchange.durationSeconds, times)
    requestSizes.observe({ ...labels, proto }, exchange.requestOctets, times)
    if (exchange.reply === undefined) return
    responseSizes.observe({ ...labels, proto }, exchange.replyOctets, times)
    responses.series({ ...labels, rcode: rcodeLabel(rcode), plugin }).add(times)
  }
}

/** Queries in which the program failed. */
export const panicsMetric = (metrics: Metrics) =>
  counter(metrics, {
    name: 'coredns_panics_total',
    help: 'Queries that met a fault of the program and got SERVFAIL.',
  })

/** Reloads that left the old configuration in place. */
export const reloadFailures = (metrics: Metrics) =>
  counter(metrics, {
    name: 'coredns_reload_failed_total',
    help: 'Reloads that failed and left the former configuration in place.',
  })

/** Answers over HTTPS by status. */
export const httpResponses = (metrics: Metrics) =>
  counter(metrics, {
    name: 'coredns_dns_https_responses_total',
    help: 'Answers over HTTPS by status.',
    labels: ['server', 'status'],
  })

/** Shows which program answers. @param build the version of this program, and of its runtime. */
export function showBuild(
  metrics: Metrics,
  build: { readonly version: string; readonly goversion: string },
): void {
  gauge(metrics, {
    name: 'coredns_build_info',
    help: 'The version of this program; goversion is its runtime.',
    labels: ['version', 'revision', 'goversion'],
  }).set({ version: build.version, revision: '', goversion: build.goversion }, 1)
}
