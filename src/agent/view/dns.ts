import type { Metrics } from '#runtime/metrics.ts'
import { type Sample, samplesOf } from './samples.ts'
import type { DnsView } from './types.ts'

/** What DNS has counted; the metrics by CoreDNS's names are the only book that is kept. */
export async function dnsView(
  metrics: Metrics,
  {
    served,
    top,
  }: Pick<DnsView, 'served'> & { readonly top: Pick<DnsView, 'topNames' | 'topClients'> },
): Promise<DnsView> {
  const samples = (name: string) => samplesOf(metrics, name)
  const [requests, responses, hits, misses, entries, durations] = await Promise.all([
    samples('coredns_dns_requests_total'),
    samples('coredns_dns_responses_total'),
    samples('coredns_cache_hits_total'),
    samples('coredns_cache_misses_total'),
    samples('coredns_cache_entries'),
    samples('coredns_proxy_request_duration_seconds'),
  ])
  return {
    served,
    queries: sum(requests),
    rcodes: sumsBy(responses, 'rcode'),
    cache: { hits: sum(hits), misses: sum(misses), entries: sum(entries) },
    upstreams: upstreamsOf(durations),
    ...top,
  }
}

const sum = (samples: readonly Sample[]) => samples.reduce((total, { value }) => total + value, 0)

function sumsBy(samples: readonly Sample[], label: string): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { labels, value } of samples) {
    const name = `${labels[label] ?? ''}`
    sums[name] = (sums[name] ?? 0) + value
  }
  return sums
}

function upstreamsOf(durations: readonly Sample[]): DnsView['upstreams'] {
  const of = (suffix: string) =>
    sumsBy(
      durations.filter(({ metricName }) => metricName?.endsWith(suffix) === true),
      'to',
    )
  const seconds = of('_sum')
  return Object.entries(of('_count')).map(([address, queries]) => ({
    address,
    queries,
    ...(queries === 0 ? {} : { meanMs: ((seconds[address] ?? 0) / queries) * 1_000 }),
  }))
}
