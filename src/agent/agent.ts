import type { Kind } from '#cluster/objects.ts'
import type { Connection } from '#cluster/open-source.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import type { LineLog } from '#dns/line-log.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import type { RoutesConfig } from '#routes/config.ts'
import { systemClock } from '#runtime/clock.ts'
import { metricsRoute, startHttpServer, startHttpSocket } from '#runtime/http-server.ts'
import type { Logger } from '#runtime/log.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'
import { type Part, runTogether, untilAborted } from '#runtime/run-together.ts'
import { AgentCluster } from './cluster.ts'
import { Incidents } from './incidents.ts'
import { pageRoutes } from './page/page-routes.ts'
import { CniPart, type CniPartConfig } from './parts/cni.ts'
import { DnsPart, type DnsPartConfig } from './parts/dns.ts'
import type { AgentContext, AgentPart } from './parts/part.ts'
import { ProxyPart } from './parts/proxy.ts'
import { RoutesPart } from './parts/routes.ts'
import { type ReadinessCheck, readinessRoute, reasonInLine } from './readiness.ts'
import { collectGone, withCollecting } from './view/collect.ts'
import { forLocalBrowsers, type Views, viewRoutes } from './view/serve.ts'
import type { CollectedView } from './view/types.ts'
import { agentViews } from './view/views.ts'

export type AgentOptions = {
  readonly nodeName: string
  readonly connection: Connection
  /** undefined: no service proxy. */
  readonly proxy: ProxyConfig | undefined
  /** Ends the agent when a file that it was configured by says something else. */
  readonly configWatch?: Part | undefined
  /** undefined: no DNS server. */
  readonly dns: DnsPartConfig | undefined
  /** undefined: plugin executables do their calls alone. */
  readonly cni: CniPartConfig | undefined
  /** undefined: the routes to other nodes are somebody else's. */
  readonly routes: RoutesConfig | undefined
  readonly http: { readonly host: string; readonly port: number }
  /** Path of the unix socket by which commands see the node; for root alone. */
  readonly socket: string
  /** Where the same is for browsers; undefined: nowhere. */
  readonly status: { readonly host: string; readonly port: number } | undefined
  readonly log: Logger
  /** CoreDNS's log on stdout. */
  readonly lines: LineLog
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * Runs a node's parts over one view of the cluster until `stop` is aborted, then stops them cleanly; rules stay in the kernel.
 * @throws {ConfigError} a part cannot use its configuration.
 * @throws what a part failed with; the others are stopped before.
 */
export async function runAgent(options: AgentOptions, stop: AbortSignal): Promise<void> {
  const { http, socket, status, log } = options
  const metrics = createMetrics()
  const agent = new Agent(options, metrics)
  await using server = await startHttpServer(http, {
    '/livez': () => ({ status: 200, body: 'ok\n' }),
    '/readyz': readinessRoute(agent.checks),
    '/metrics': metricsRoute(metrics),
  })
  log.info({ host: server.host, port: server.port }, 'health and metrics')
  const routes = viewRoutes(agent.views(stop))
  const forRoot = withCollecting(routes, network => agent.collect(network, stop))
  await using _socket = await startHttpSocket({ path: socket, field: 'socket' }, forRoot)
  await using _status =
    status && (await startHttpServer(status, forLocalBrowsers({ ...routes, ...pageRoutes() })))
  stop.addEventListener('abort', () => log.info('stopping'), { once: true })
  await runTogether([signal => agent.run(signal)], stop)
  log.info('stopped')
}

class Agent {
  readonly #options: AgentOptions
  readonly #store = new Store()
  /** Aborted last, so that the parts see changes while they stop. */
  readonly #sources = new AbortController()
  readonly #failure = Promise.withResolvers<never>()
  readonly #cluster: AgentCluster
  readonly #parts: Parts
  readonly #metrics: Metrics
  readonly #incidents: Incidents

  constructor(options: AgentOptions, metrics: Metrics) {
    const { connection, log } = options
    this.#options = options
    const onFailure = (error: unknown) =>
      this.#failure.reject(new Error('the source of cluster objects ended', { cause: error }))
    this.#failure.promise.catch(() => undefined)
    const store = this.#store
    this.#cluster = new AgentCluster({ connection, store, log, onFailure }, this.#sources.signal)
    const whyNotReady = () => reasonInLine(this.checks.filter(({ part }) => part !== 'cni'))
    this.#metrics = metrics
    const incidents = new Incidents(systemClock, metrics)
    this.#incidents = incidents
    const context = { ...options, store, cluster: this.#cluster, metrics, incidents }
    this.#parts = partsOf(options, context, whyNotReady)
  }

  /** What must hold for the node to be ready; complete from the start, so that nothing is ready by being unknown. */
  get checks(): readonly ReadinessCheck[] {
    return [
      { part: 'cluster', whyNot: () => this.#whyNotListed() },
      ...inOrder(this.#parts).map(part => ({ part: part.name, whyNot: () => part.whyNot() })),
    ]
  }

  /** Ends attachments whose containers have gone; undefined: that is not this agent's. */
  async collect(
    network: string | undefined,
    stop: AbortSignal,
  ): Promise<CollectedView | undefined> {
    const { cni } = this.#parts
    return cni && collectGone(cni, network, stop)
  }

  /** What it tells, until `stop` is aborted. */
  views(stop: AbortSignal): Views {
    const { proxy, dns, cni, routes } = this.#parts
    return agentViews({
      node: this.#options.nodeName,
      origin: () => this.#cluster.origin,
      kinds: () => this.#cluster.kinds,
      checks: () => this.checks,
      store: this.#store,
      metrics: this.#metrics,
      incidents: this.#incidents,
      proxy,
      dns,
      cni,
      routes,
      differing: () =>
        [routes, proxy, dns, cni]
          .filter(part => part !== undefined)
          .map(part => ({ name: part.name, differences: signal => part.differences(signal) })),
      clock: systemClock,
      stop,
    })
  }

  async run(stop: AbortSignal): Promise<void> {
    const { configWatch } = this.#options
    try {
      await this.#cluster.watch(this.#wanted())
      await runTogether(
        [
          ...inOrder(this.#parts).map(
            (part): Part =>
              signal =>
                part.run(signal),
          ),
          ...(configWatch === undefined ? [] : [configWatch]),
          async signal => {
            await Promise.race([this.#failure.promise, untilAborted(signal)])
          },
        ],
        stop,
      )
    } finally {
      this.#sources.abort()
    }
  }

  /** What all parts want. Routes want every Node, which the proxy's own Node is among. */
  #wanted(): Wanted {
    const all = inOrder(this.#parts).map(({ wanted }) => wanted)
    const { routes } = this.#options
    return Object.assign({}, ...all, routes === undefined ? {} : { Node: {} }) as Wanted
  }

  #whyNotListed(): string | undefined {
    const kinds = Object.keys(this.#wanted()) as readonly Kind[]
    const missing = kinds.filter(kind => !this.#store.isSynced(kind))
    return missing.length === 0 ? undefined : `not listed yet: ${missing.join(', ')}`
  }
}

type Parts = ReturnType<typeof partsOf>

/** The parts that the configuration names. */
function partsOf(
  { proxy, dns, cni, routes }: AgentOptions,
  context: AgentContext,
  whyNotReady: () => string | undefined,
) {
  const proxyPart = proxy && new ProxyPart(proxy, context)
  const cniPart = cni && new CniPart(cni, context, whyNotReady)
  const reader = proxyPart?.published() ?? context.store
  const attached = cniPart && (() => cniPart.pods)
  return {
    routes: routes && new RoutesPart(routes, context),
    proxy: proxyPart,
    dns: dns && new DnsPart(dns, context, { reader, attached }),
    cni: cniPart,
  }
}

/** In the order in which a node needs them. */
const inOrder = ({ routes, proxy, dns, cni }: Parts): readonly AgentPart[] =>
  [routes, proxy, dns, cni].filter(part => part !== undefined)
