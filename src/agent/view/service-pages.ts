import type { StoreReader } from '#cluster/store.ts'
import { servicesView } from './services.ts'
import type { ServicePageView, ServiceView, TrafficView } from './types.ts'

/** Rows that a page may have. */
const MAX_ROWS = 500
const DEFAULT_ROWS = 100

/** How the rows can be ordered; the name decides between equals. */
const orders: ReadonlyMap<string, (a: ServiceView, b: ServiceView) => number> = new Map([
  ['ready', (a, b) => readiness(a) - readiness(b)],
  ['traffic', (a, b) => rateOf(b) - rateOf(a)],
])

/**
 * A part of all Services, for a screen that shows no more at a time.
 * @param query `filter` (a part of `namespace/name` or of an address), `sort` (`name`, `ready`: what lacks endpoints first,
 * `traffic`: the busiest first), `offset`, `limit`.
 */
export async function servicePage(
  store: StoreReader,
  traffic: ReadonlyMap<string, TrafficView>,
  query: URLSearchParams,
): Promise<ServicePageView> {
  const all = await servicesView(store, traffic)
  const filter = (query.get('filter') ?? '').toLowerCase()
  const matching = all.filter(service => textOf(service).includes(filter))
  const order = orders.get(query.get('sort') ?? '')
  const ordered = order === undefined ? matching : matching.toSorted(order)
  const offset = numberOf(query.get('offset'), 0, Number.MAX_SAFE_INTEGER)
  const limit = numberOf(query.get('limit'), DEFAULT_ROWS, MAX_ROWS)
  return {
    total: all.length,
    matching: matching.length,
    offset,
    services: ordered.slice(offset, offset + limit),
  }
}

const textOf = ({ namespace, name, clusterIPs, externalIPs }: ServiceView): string =>
  [`${namespace}/${name}`, ...clusterIPs, ...externalIPs].join(' ').toLowerCase()

/** The worst port counts; a Service that needs no endpoints of ours is as good as one that has them. */
const readiness = ({ ports, type }: ServiceView): number =>
  type === 'ExternalName' || ports.length === 0
    ? 1
    : Math.min(...ports.map(({ ready, endpoints }) => (endpoints === 0 ? 0 : ready / endpoints)))

const rateOf = ({ ports }: ServiceView): number =>
  ports.reduce(
    (sum, { traffic }) => sum + (traffic?.bytesPerSecond ?? 0) + (traffic?.bytes ?? 0) / 1e12,
    0,
  )

function numberOf(text: string | null, otherwise: number, max: number): number {
  const number = Number.parseInt(text ?? '', 10)
  return Number.isSafeInteger(number) && number >= 0 ? Math.min(number, max) : otherwise
}
