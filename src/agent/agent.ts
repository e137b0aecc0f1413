import type { RequestOutcome } from '#cluster/api/client.ts'
import { countRequests } from '#cluster/api/request-metrics.ts'
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
import { type AnnounceConfig, Announcer } from './announce/announcer.ts'
import { needsPodCidrs } from './announce/install-cni.ts'
import { AgentCluster } from './cluster.ts'
import { Prober } from './health/prober.ts'
import { Incidents } from './incidents.ts'
import { registerAgentMetrics } from './metrics.ts'
import { pageRoutes } from './page/page-routes.ts'
import { inOrder, type Parts, partsOf } from './parts/all.ts'
import type { CniPartConfig } from './parts/cni.ts'
import type { DnsPartConfig } from './parts/dns.ts'
import type { PartName } from './parts/part.ts'
import { livenessRoute, type ReadinessCheck, readinessRoute, reasonInLine } from './readiness.ts'
import {
  SnapshotKeeper,
  type SnapshotKeeperOptions,
  type SnapshotSettings,
} from './snapshot/keeper.ts'
import { SourceWitness } from './snapshot/witness.ts'
import { collectGone, withCollecting } from './view/collect.ts'
import { forLocalBrowsers, type Views, viewRoutes } from './view/serve.ts'
import type { CollectedView } from './view/types.ts'
import { agentViews, type ClusterSeen } from './view/views.ts'
import type { AskWhy } from './view/why.ts'

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
  /** Who is told that the node is ready. */
  readonly announce: AnnounceConfig
  /** undefined: nothing is kept for a start without the API server. */
  readonly snapshot: SnapshotSettings | undefined
  readonly http: { readonly host: string; readonly port: number }
  /** Path of the unix socket by which commands see the node; for root alone. */
  readonly socket: string
  /** Where the same is for browsers; undefined: nowhere. */
  readonly status: { readonly host: string; readonly port: number } | undefined
  /** Answers the `why` of the status page; undefined: it says what to type. */
  readonly why?: AskWhy | undefined
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
  agent.registerMetrics(stop)
  await using server = await startHttpServer(http, {
    '/livez': livenessRoute(() => agent.stuck()),
    '/readyz': readinessRoute(agent.checks),
    // The name from before there were two (Kubernetes: "API health endpoints").
    '/healthz': readinessRoute(agent.checks),
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
  readonly #prober: Prober
  readonly #announcer: Announcer
  readonly #snapshot: SnapshotKeeper | undefined
  readonly #witness: SourceWitness
  readonly #metrics: Metrics
  readonly #incidents: Incidents

  constructor(options: AgentOptions, metrics: Metrics) {
    const { connection, log } = options
    this.#options = options
    const onFailure = (error: unknown) =>
      this.#failure.reject(new Error('the source of cluster objects ended', { cause: error }))
    this.#failure.promise.catch(() => undefined)
    const store = this.#store
    const witness = new SourceWitness(store, systemClock)
    this.#witness = witness
    this.#snapshot = snapshotKeeper(options, { store, witness, metrics })
    const isStale = () => this.#snapshot?.isStale() ?? false
    const count = countRequests(metrics)
    const onRequest = (outcome: RequestOutcome) => {
      witness.requested(outcome)
      count(outcome)
    }
    this.#cluster = new AgentCluster(
      { connection, store: witness, log, onRequest, isStale, onFailure },
      this.#sources.signal,
    )
    this.#metrics = metrics
    const incidents = new Incidents(systemClock, metrics)
    this.#incidents = incidents
    const context = { ...options, store, cluster: this.#cluster, metrics, incidents }
    this.#parts = partsOf(options, context, part => this.#whyNotBefore(part))
    const whyNotReady = () => reasonInLine(this.#ownChecks)
    const { announce, nodeName } = options
    const told = { ...announce, nodeName, connection, store, whyNotReady, clock: systemClock, log }
    this.#announcer = new Announcer(told)
    const onTrouble = (part: PartName, message: string) => incidents.begin({ part, message })
    const parts = inOrder(this.#parts)
    this.#prober = new Prober({ parts, clock: systemClock, log, metrics, onTrouble })
  }

  /** What must hold for the node to be ready; complete from the start, so that nothing is ready by being unknown. */
  get checks(): readonly ReadinessCheck[] {
    const whyNotTold = () => this.#announcer.whyNot()
    return this.#ownChecks.map(check =>
      check.part === 'cni' ? { ...check, whyNot: () => check.whyNot() ?? whyNotTold() } : check,
    )
  }

  /** What must hold before anybody is told. */
  get #ownChecks(): readonly ReadinessCheck[] {
    return [
      { part: 'cluster', whyNot: () => this.#whyNotListed(), note: () => this.#ageNote() },
      ...inOrder(this.#parts).map(part => ({
        part: part.name,
        whyNot: () => part.whyNot() ?? this.#prober.whyNot(part),
        note: () => this.#prober.skipped(part),
      })),
    ]
  }

  /** Registers what all parts together report, until `stop` is aborted. */
  registerMetrics(stop: AbortSignal): void {
    registerAgentMetrics(this.#metrics, {
      checks: () => this.checks,
      traffic: async () => (await this.#parts.proxy?.traffic.read(stop)) ?? new Map(),
    })
  }

  /** Ends attachments whose containers have gone; undefined: that is not this agent's. */
  async collect(
    network: string | undefined,
    stop: AbortSignal,
  ): Promise<CollectedView | undefined> {
    const { cni } = this.#parts
    return cni && collectGone(cni, network, stop)
  }

  /** The parts that hang. */
  stuck(): readonly string[] {
    return this.#prober.stuck()
  }

  /** What it tells, until `stop` is aborted. */
  views(stop: AbortSignal): Views {
    const { proxy, dns, cni, routes } = this.#parts
    return agentViews({
      node: this.#options.nodeName,
      cluster: () => this.#clusterSeen(),
      nodePods: () => this.#cluster.nodePods,
      why: this.#options.why,
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
          signal => this.#prober.run(signal),
          signal => this.#announcer.run(signal),
          async signal => this.#snapshot?.run(() => this.#cluster.reading, signal),
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
    const { routes, announce, nodeName } = this.#options
    const { install, readyTaint } = announce
    const needsOwn = readyTaint !== undefined || (install && needsPodCidrs(install))
    const own = needsOwn ? { Node: { fieldSelector: `metadata.name=${nodeName}` } } : {}
    return Object.assign(own, ...all, routes === undefined ? {} : { Node: {} }) as Wanted
  }

  #clusterSeen(): ClusterSeen {
    const { origin, wanted } = this.#cluster.reading
    const ageMs = this.#snapshot?.ageMs()
    return {
      origin,
      kinds: Object.keys(wanted) as readonly Kind[],
      lastHeardMs: this.#witness.silentSinceMs,
      staleSinceMs: ageMs === undefined ? undefined : systemClock.now() - ageMs,
    }
  }

  /** Why what `part` stands on does not stand yet. */
  #whyNotBefore(part: PartName): string | undefined {
    const { checks } = this
    return reasonInLine(
      checks.slice(
        0,
        checks.findIndex(check => check.part === part),
      ),
    )
  }

  #ageNote(): string | undefined {
    const ageMs = this.#snapshot?.ageMs()
    if (ageMs === undefined) return undefined
    return `from a snapshot, ${Math.round(ageMs / 1000)} s old: the API server does not answer`
  }

  #whyNotListed(): string | undefined {
    const kinds = Object.keys(this.#wanted()) as readonly Kind[]
    const missing = kinds.filter(kind => !this.#store.isSynced(kind))
    return missing.length === 0 ? undefined : `not listed yet: ${missing.join(', ')}`
  }
}

/** Only of an API server: manifests are on the node's disk as it is. */
function snapshotKeeper(
  { snapshot, connection, nodeName, log }: AgentOptions,
  context: Pick<SnapshotKeeperOptions, 'store' | 'witness' | 'metrics'>,
): SnapshotKeeper | undefined {
  if (snapshot === undefined || connection.manifests !== undefined) return undefined
  const own = { nodeName, clock: systemClock, log: log.child({ component: 'snapshot' }) }
  return new SnapshotKeeper({ ...snapshot, ...own, ...context })
}
