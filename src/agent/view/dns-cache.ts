import { normalizeName } from '#dns/name.ts'
import type { CachedAnswers } from '#dns/plugin.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { type Sample, samplesOf } from './samples.ts'
import type { DnsCacheView } from './types.ts'

/** Entries that are told at once. */
const MAX_ENTRIES = 1_000
const DEFAULT_ENTRIES = 100

/** @param query `name` (all of it, in any letters; entries of this name only), `limit`. */
export async function dnsCacheView(
  caches: readonly CachedAnswers[],
  metrics: Metrics,
  query: URLSearchParams,
): Promise<DnsCacheView> {
  const asked = query.get('name')
  const name = asked === null ? undefined : (normalizeName(asked) ?? asked)
  const limit = Math.min(Number(query.get('limit')) || DEFAULT_ENTRIES, MAX_ENTRIES)
  return {
    blocks: blocksFrom({
      requests: await samplesOf(metrics, 'coredns_cache_requests_total'),
      hits: await samplesOf(metrics, 'coredns_cache_hits_total'),
      misses: await samplesOf(metrics, 'coredns_cache_misses_total'),
      entries: await samplesOf(metrics, 'coredns_cache_entries'),
      bytes: await samplesOf(metrics, 'nodeplane_dns_cache_bytes'),
    }),
    entries: caches
      .flatMap(({ list, zones }) => [...list(name).take(limit)].map(entry => ({ ...entry, zones })))
      .slice(0, limit),
  }
}

type Kept = Readonly<
  Record<'requests' | 'hits' | 'misses' | 'entries' | 'bytes', readonly Sample[]>
>

const placeOf = ({ labels: { server, zones, view } }: Sample): string =>
  JSON.stringify([server, zones, view])

/** A cache for each server, zones and view that its metrics name; see cache-metrics.ts. */
function blocksFrom(kept: Kept): DnsCacheView['blocks'] {
  const places = Map.groupBy(kept.requests, placeOf)
  return [...places].map(([place, [first]]) => {
    const sum = (samples: readonly Sample[], type?: string) =>
      samples
        .filter(each => placeOf(each) === place && (!type || each.labels['type'] === type))
        .reduce((total, { value }) => total + value, 0)
    return {
      server: `${first?.labels['server'] ?? ''}`,
      zones: `${first?.labels['zones'] ?? ''}`.split(','),
      view: `${first?.labels['view'] ?? ''}`,
      answers: sum(kept.entries, 'success'),
      denials: sum(kept.entries, 'denial'),
      bytes: sum(kept.bytes),
      hits: sum(kept.hits),
      misses: sum(kept.misses),
    }
  })
}
