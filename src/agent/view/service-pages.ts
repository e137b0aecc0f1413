import { trafficOf, withTraffic } from './services.ts'
import type { ServicePageView, ServiceView, TrafficView } from './types.ts'

type Traffic = ReadonlyMap<string, TrafficView>

/** Rows that a page may have. */
const MAX_ROWS = 500
const DEFAULT_ROWS = 100

/**
 * A part of all Services, for a screen that shows no more at a time.
 * @param query `filter` (a part of `namespace/name` or of an address), `sort` (`name`, `ready`: what lacks endpoints first,
 * `traffic`: the busiest first), `offset`, `limit`.
 */
export function servicePage(
  all: readonly ServiceView[],
  traffic: Traffic,
  query: URLSearchParams,
): ServicePageView {
  const filter = (query.get('filter') ?? '').toLowerCase()
  const matching = all.filter(service => textOf(service).includes(filter))
  const ordered = orderedBy(query.get('sort'), matching, traffic)
  const offset = numberOf(query.get('offset'), 0, Number.MAX_SAFE_INTEGER)
  const limit = numberOf(query.get('limit'), DEFAULT_ROWS, MAX_ROWS)
  return {
    total: all.length,
    matching: matching.length,
    offset,
    services: ordered.slice(offset, offset + limit).map(each => withTraffic(each, traffic)),
  }
}

const textOf = ({ namespace, name, clusterIPs, externalIPs }: ServiceView): string =>
  [`${namespace}/${name}`, ...clusterIPs, ...externalIPs].join(' ').toLowerCase()

/** The worst port counts; a Service that needs no endpoints of ours is as good as one that has them. */
const readiness = ({ ports, type }: ServiceView): number =>
  type === 'ExternalName' || ports.length === 0
    ? 1
    : Math.min(...ports.map(({ ready, endpoints }) => (endpoints === 0 ? 0 : ready / endpoints)))

/** The name decides between equals. */
function orderedBy(
  order: string | null,
  services: readonly ServiceView[],
  traffic: Traffic,
): readonly ServiceView[] {
  if (order === 'ready') return services.toSorted((a, b) => readiness(a) - readiness(b))
  if (order !== 'traffic') return services
  const rates = new Map(services.map(each => [each, rateOf(each, traffic)]))
  return services.toSorted((a, b) => (rates.get(b) ?? 0) - (rates.get(a) ?? 0))
}

/** What flows now; among those that are still, what flowed. */
const rateOf = (service: ServiceView, traffic: Traffic): number =>
  service.ports.reduce((sum, port) => {
    const { bytesPerSecond = 0, bytes = 0 } = trafficOf(service, port, traffic) ?? {}
    return sum + bytesPerSecond + bytes / 1e12
  }, 0)

function numberOf(text: string | null, otherwise: number, max: number): number {
  const number = Number.parseInt(text ?? '', 10)
  return Number.isSafeInteger(number) && number >= 0 ? Math.min(number, max) : otherwise
}
