import { counter, gauge } from '../../metric.ts'
import type { SetupContext } from '../../plugin.ts'
import type { CacheOptions } from './options.ts'

type AnswerType = 'success' | 'denial'

/** Entries, and their octets. */
type Size = { readonly size: number; readonly octets: number }

/** The metrics of one cache, by CoreDNS's names. */
export type CacheMetrics = ReturnType<typeof cacheMetrics>

export function cacheMetrics(
  { metrics, server, view }: Pick<SetupContext, 'metrics' | 'server' | 'view'>,
  { zones }: Pick<CacheOptions, 'zones'>,
) {
  const labels = { server, zones: zones.join(','), view }
  const plain = (name: string, help: string) => {
    const labelNames = ['server', 'zones', 'view'] as const
    const metric = counter(metrics, {
      name: `coredns_cache_${name}_total`,
      help,
      labels: labelNames,
    })
    const series = metric.series(labels)
    series.add(0)
    return (times = 1) => series.add(times)
  }
  const labelNames = ['server', 'type', 'zones', 'view'] as const
  const typed = (name: string, help: string) => {
    const metric = counter(metrics, {
      name: `coredns_cache_${name}_total`,
      help,
      labels: labelNames,
    })
    const series = byType(type => metric.series({ ...labels, type }))
    return (type: AnswerType, times = 1) => series[type].add(times)
  }
  const entries = gauge(metrics, {
    name: 'coredns_cache_entries',
    help: 'Answers in the cache.',
    labels: labelNames,
  })
  const octets = gauge(metrics, {
    name: 'nodeplane_dns_cache_bytes',
    help: 'What the answers in the cache take of memory, about.',
    labels: labelNames,
  })
  const sizes = byType(type => ({
    entries: entries.series({ ...labels, type }),
    octets: octets.series({ ...labels, type }),
  }))
  // No answer here can belong to another question than its query; the counter is there for dashboards.
  plain('drops', 'Answers that were not kept because they belong to another question.')
  return {
    requested: plain('requests', 'Queries that reached the cache.'),
    hit: typed('hits', 'Queries that were answered from the cache.'),
    missed: plain('misses', 'Queries that the cache could not answer.'),
    prefetched: plain('prefetch', 'Refreshes of popular entries.'),
    servedStale: plain('served_stale', 'Queries that were answered from an entry past its end.'),
    evicted: typed('evictions', 'Entries that made room for others.'),
    sized(stores: Readonly<Record<AnswerType, Size>>): void {
      for (const type of ['success', 'denial'] as const) {
        sizes[type].entries.set(stores[type].size)
        sizes[type].octets.set(stores[type].octets)
      }
    },
  }
}

const byType = <T>(make: (type: AnswerType) => T): Readonly<Record<AnswerType, T>> => ({
  success: make('success'),
  denial: make('denial'),
})
