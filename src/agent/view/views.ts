import type { Kind, ObjectOf } from '#cluster/objects.ts'
import type { Store, StoreReader } from '#cluster/store.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { Incidents } from '../incidents.ts'
import type { CniPart } from '../parts/cni.ts'
import type { DnsPart } from '../parts/dns.ts'
import type { ProxyPart } from '../parts/proxy.ts'
import type { RoutesPart } from '../parts/routes.ts'
import type { ReadinessCheck } from '../readiness.ts'
import { statusOf } from '../status/status.ts'
import { attachmentsView } from './attachments.ts'
import { type Differing, diffView } from './diff.ts'
import { dnsView } from './dns.ts'
import { dnsCacheView } from './dns-cache.ts'
import { explainedFrom } from './dns-explain.ts'
import { kindsView, nodeView } from './node.ts'
import { podsView } from './pods.ts'
import { routesView } from './routes.ts'
import type { Views } from './serve.ts'
import { ServiceCache } from './service-cache.ts'
import { servicePage } from './service-pages.ts'
import { endpointsView, oneService, withTraffic } from './services.ts'
import type { ClusterView, TrafficView } from './types.ts'
import { type AskWhy, WhyDesk } from './why.ts'

/** Where objects come from, and how that goes. */
export type ClusterSeen = Pick<ClusterView, 'origin' | 'lastHeardMs' | 'staleSinceMs'> & {
  readonly kinds: readonly Kind[]
}

/** What the views look at. */
export type Viewed = {
  readonly node: string
  readonly cluster: () => ClusterSeen
  /** The Pods of this node, once somebody wants them. */
  readonly nodePods?: (() => StoreReader | undefined) | undefined
  readonly why?: AskWhy | undefined
  readonly checks: () => readonly ReadinessCheck[]
  readonly store: Store
  readonly metrics: Metrics
  readonly incidents: Incidents
  readonly proxy: Pick<ProxyPart, 'traffic'> | undefined
  readonly dns: Pick<DnsPart, 'served' | 'top' | 'explain' | 'caches'> | undefined
  readonly cni: Pick<CniPart, 'pods' | 'attachments'> | undefined
  readonly routes: Pick<RoutesPart, 'mode' | 'plan'> | undefined
  /** Those whose work in the kernel can be looked at. */
  readonly differing: () => readonly Differing[]
  readonly clock: Clock
  /** Ends what a view has begun. */
  readonly stop: AbortSignal
}

/** All that the agent tells; see types.ts. */
export function agentViews(viewed: Viewed): Views {
  const { node, store, metrics, incidents, proxy, dns, cni, routes, clock, stop } = viewed
  const traffic = async () => (await proxy?.traffic.read(stop)) ?? new Map<string, TrafficView>()
  const cache = new ServiceCache(store, clock)
  const self = () => {
    const seen = viewed.cluster()
    const cluster = { ...seen, kinds: kindsView(store, seen.kinds) }
    return nodeView({ node, checks: viewed.checks(), cluster, nowMs: clock.now() })
  }
  const names = async () => dns && dnsView(metrics, { served: dns.served, top: await dns.top() })
  const pods = () => cni && podsView(cni.pods?.list() ?? [])
  const ways = () =>
    routes && routesView(store.list('Node'), { own: node, mode: routes.mode, plan: routes.plan })
  const status = async () =>
    statusOf({
      node: self(),
      // Counters are read by those who want to see them: a glance must cost little.
      services: await cache.all(),
      dns: await names(),
      pods: pods(),
      routes: ways(),
      incidents: incidents.list(),
    })
  const desk = viewed.why && new WhyDesk(viewed.why)
  return {
    node: self,
    why: query => desk?.answer(query.get('target') ?? '', stop),
    services: async () => {
      const counted = await traffic()
      return (await cache.all()).map(each => withTraffic(each, counted))
    },
    'service-page': async query => servicePage(await cache.all(), await traffic(), query),
    service: async query => {
      const service = oneService(store, keyFrom(query))
      return service && withTraffic(service, await traffic())
    },
    endpoints: query => endpointsView(store, keyFrom(query)),
    dns: names,
    'dns-explain': async query => {
      const explained = explainedFrom(query)
      return explained && (await dns?.explain(explained))
    },
    'dns-cache': query => dns && dnsCacheView(dns.caches, metrics, query),
    pods,
    attachments: () => cni && attachmentsView(cni.attachments),
    routes: ways,
    status,
    incidents: () => incidents.list(),
    diff: () => diffView(viewed.differing(), stop),
    objects: query => objectsView(viewed, query),
  }
}

const keyFrom = (query: URLSearchParams): string =>
  `${query.get('namespace') ?? ''}/${query.get('name') ?? ''}`

function objectsView(
  { store, cluster, nodePods }: Viewed,
  query: URLSearchParams,
): readonly ObjectOf[Kind][] | undefined {
  const kind = cluster().kinds.find(each => each === query.get('kind'))
  const pods = kind === undefined && query.get('kind') === 'Pod' ? nodePods?.() : undefined
  if (pods !== undefined) return [...pods.list('Pod')]
  if (kind === undefined) return undefined
  const key = query.get('key')
  if (key === null) return [...store.list(kind)]
  const object = store.get(kind, key)
  return object && [object]
}
