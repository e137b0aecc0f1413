import type { Kind } from '#cluster/objects.ts'
import { openEvents } from '#cluster/open-events.ts'
import type { Connection } from '#cluster/open-source.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import type { AttachedPods } from '#cni/pods/attached-pods.ts'
import { runCniService } from '#cni/service.ts'
import type { LineLog } from '#dns/line-log.ts'
import type { LocalPods } from '#dns/plugin.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import type { DnsServer } from '#dns/server/dns-server.ts'
import { startDns } from '#dns/start.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { usableFamilies } from '#proxy/config/families.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { runProxyService, wantedByProxyService } from '#proxy/service.ts'
import { type RoutesConfig, routesSettings } from '#routes/config.ts'
import { runRoutes, wantedByRoutes } from '#routes/main.ts'
import { systemClock } from '#runtime/clock.ts'
import { metricsRoute, startHttpServer } from '#runtime/http-server.ts'
import type { Logger } from '#runtime/log.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'
import { type Part, runTogether, untilAborted } from '#runtime/run-together.ts'
import { AgentCluster } from './cluster.ts'
import { localPodsFrom } from './local-pods.ts'
import { serveNodeLocal } from './node-local/serve.ts'
import { PublishGate } from './publish-gate.ts'
import { type ReadinessCheck, readinessRoute, reasonInLine } from './readiness.ts'

/** An API server may know a new Node only after a while (kube-proxy waits as long), milliseconds. */
const NODE_WAIT_MS = 30_000

export type AgentOptions = {
  readonly nodeName: string
  readonly connection: Connection
  /** undefined: no service proxy. */
  readonly proxy: ProxyConfig | undefined
  /** Ends the agent when a file that it was configured by says something else. */
  readonly configWatch?: Part | undefined
  /** undefined: no DNS server. */
  readonly dns:
    | {
        readonly corefile: string
        readonly port: number
        readonly fastPathWorkers: number
        /** Stands in every server block with these settings; undefined: where the Corefile says so. */
        readonly podsPolicy: KubeletDns | undefined
        /** Addresses whose queries are caught on this node; empty: none. */
        readonly nodeLocal: readonly IpAddress[]
      }
    | undefined
  /** undefined: plugin executables do their calls alone. */
  readonly cni:
    | {
        readonly socket: string
        readonly stateDir: string
        readonly journalDir: string
        /** undefined: a pod's result has the DNS settings of its network's configuration. */
        readonly podDns: KubeletDns | undefined
      }
    | undefined
  /** undefined: the routes to other nodes are somebody else's. */
  readonly routes: RoutesConfig | undefined
  readonly http: { readonly host: string; readonly port: number }
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
  const { http, log } = options
  const metrics = createMetrics()
  const agent = new Agent(options, metrics)
  await using server = await startHttpServer(http, {
    '/livez': () => ({ status: 200, body: 'ok\n' }),
    '/readyz': readinessRoute(agent.checks),
    '/metrics': metricsRoute(metrics),
  })
  log.info({ host: server.host, port: server.port }, 'health and metrics')
  stop.addEventListener('abort', () => log.info('stopping'), { once: true })
  await runTogether([signal => agent.run(signal)], stop)
  log.info('stopped')
}

class Agent {
  readonly #options: AgentOptions
  readonly #metrics: Metrics
  readonly #store = new Store()
  readonly #gate = new PublishGate(this.#store)
  /** The families whose rules are not in the kernel yet. */
  readonly #missing = new Set<IpFamily>(usableFamilies())
  #dns: DnsServer | undefined
  #pods: AttachedPods | undefined
  #local: Promise<LocalPods> | undefined
  #whyNoRoutes: string | undefined = 'not in the kernel yet'

  constructor(options: AgentOptions, metrics: Metrics) {
    this.#options = options
    this.#metrics = metrics
  }

  /** What must hold for the node to be ready; complete from the start, so that nothing is ready by being unknown. */
  get checks(): readonly ReadinessCheck[] {
    const { cni } = this.#options
    return [
      ...this.#checksButCni,
      ...(cni === undefined ? [] : [{ part: 'cni', whyNot: () => this.#whyNotServing() }]),
    ]
  }

  get #checksButCni(): readonly ReadinessCheck[] {
    const { proxy, dns, routes } = this.#options
    return [
      { part: 'cluster', whyNot: () => this.#whyNotListed() },
      ...(proxy === undefined ? [] : [{ part: 'proxy', whyNot: () => this.#whyNotProgrammed() }]),
      ...(dns === undefined ? [] : [{ part: 'dns', whyNot: () => this.#whyNotAnswering() }]),
      ...(routes === undefined ? [] : [{ part: 'routes', whyNot: () => this.#whyNoRoutes }]),
    ]
  }

  /** The pods that this node's CNI calls have made known; undefined before they can, or where there is no CNI. */
  get pods(): AttachedPods | undefined {
    return this.#pods
  }

  async run(stop: AbortSignal): Promise<void> {
    const { connection, proxy, dns, cni, routes, configWatch, log } = this.#options
    const failure = Promise.withResolvers<never>()
    const onFailure = (error: unknown) =>
      failure.reject(new Error('the source of cluster objects ended', { cause: error }))
    const parts: Part[] = []
    const sources = new AbortController()
    const cluster = new AgentCluster(
      { connection, store: this.#store, log, onFailure },
      sources.signal,
    )
    await cluster.watch(this.#wanted())
    if (proxy !== undefined) parts.push(signal => this.#runProxy(proxy, signal))
    if (dns !== undefined) parts.push(signal => this.#runDns(dns, cluster, signal))
    if (cni !== undefined) parts.push(signal => this.#runCni(cni, cluster, signal))
    if (routes !== undefined) parts.push(signal => this.#runRoutes(routes, signal))
    if (configWatch !== undefined) parts.push(configWatch)
    parts.push(async signal => {
      await Promise.race([failure.promise, untilAborted(signal)])
    })
    try {
      await runTogether(parts, stop)
    } finally {
      // Last, so that the parts see changes while they stop.
      sources.abort()
    }
  }

  /** All Services, for DNS has names for the headless ones too; the proxy passes over what is not for it. */
  #wanted(): Wanted {
    const { nodeName, proxy, dns, routes } = this.#options
    return {
      ...(proxy === undefined ? {} : wantedByProxyService(nodeName, proxy)),
      ...(proxy === undefined && dns === undefined ? {} : { Service: {}, EndpointSlice: {} }),
      ...(routes === undefined ? {} : wantedByRoutes),
      ...(dns === undefined ? {} : { Namespace: {} }),
    }
  }

  async #runProxy(config: ProxyConfig, signal: AbortSignal): Promise<void> {
    const { nodeName, connection, log } = this.#options
    using events = await openEvents(connection, { nodeName, log })
    const run = (signal: AbortSignal) =>
      runProxyService(
        {
          config,
          onEvent: events?.record.bind(events),
          nodeName,
          store: this.#store,
          nodeWaitMs: connection.manifests === undefined ? NODE_WAIT_MS : 0,
          log,
          metrics: this.#metrics,
          onProgrammed: ({ family, revision }) => {
            this.#missing.delete(family)
            this.#gate.programmed(family, revision)
          },
        },
        signal,
      )
    await runTogether([run, async signal => events?.run(signal)], signal)
  }

  async #runDns(
    config: NonNullable<AgentOptions['dns']>,
    cluster: AgentCluster,
    signal: AbortSignal,
  ): Promise<void> {
    const { nodeLocal: addresses } = config
    const serve: Part = signal => this.#serveDns(config, cluster, signal)
    if (addresses.length === 0) return serve(signal)
    const log = this.#options.log.child({ component: 'dns' })
    const isReady = () => this.#dns?.isReady() ?? false
    await serveNodeLocal({ addresses, clock: systemClock, log, serve, isReady }, signal)
  }

  async #serveDns(
    { corefile, port, fastPathWorkers, podsPolicy }: NonNullable<AgentOptions['dns']>,
    cluster: AgentCluster,
    signal: AbortSignal,
  ): Promise<void> {
    const { proxy, log, lines, env } = this.#options
    const reader = proxy === undefined ? this.#store : this.#gate.reader()
    const server = await startDns({
      corefile,
      defaultPort: port,
      cluster: cluster.accessThrough(reader, () => this.#localPods(cluster)),
      podsPolicy: podsPolicy !== undefined,
      log: log.child({ component: 'dns' }),
      metrics: this.#metrics,
      lines,
      env,
      fastPathWorkers,
      signal,
    })
    this.#dns = server
    log.info({ served: server.served }, 'answering')
    await server.ended
  }

  /** For every `pods_policy` of every Corefile. */
  #localPods(cluster: AgentCluster): Promise<LocalPods> {
    const { nodeName, dns, cni } = this.#options
    const attached = cni && (() => this.#pods)
    const settings = { kubelet: dns?.podsPolicy, nodeLocal: dns?.nodeLocal ?? [] }
    this.#local ??= cluster
      .podsOf(nodeName)
      .then(({ store }) => localPodsFrom({ store, nodeName, attached, ...settings }))
    return this.#local
  }

  async #runCni(
    { socket, stateDir, journalDir, podDns }: NonNullable<AgentOptions['cni']>,
    cluster: AgentCluster,
    signal: AbortSignal,
  ): Promise<void> {
    const log = this.#options.log.child({ component: 'cni' })
    const pods = podDns && (await cluster.podsOf(this.#options.nodeName))
    await runCniService(
      {
        socket,
        stateDir,
        journalDir,
        whyNotReady: () => reasonInLine(this.#checksButCni),
        dnsOf: pod => podDns && pods?.dnsOf(pod, podDns),
        onServing: attached => {
          this.#pods = attached
        },
        metrics: this.#metrics,
        log,
      },
      signal,
    )
  }

  async #runRoutes(config: RoutesConfig, signal: AbortSignal): Promise<void> {
    const { nodeName, log } = this.#options
    await runRoutes(
      {
        settings: routesSettings(config, { nodeName, families: usableFamilies() }),
        store: this.#store,
        log,
        metrics: this.#metrics,
        onStatus: whyNot => {
          this.#whyNoRoutes = whyNot
        },
      },
      signal,
    )
  }

  #whyNotServing(): string | undefined {
    return this.#pods === undefined ? 'not serving calls yet' : undefined
  }

  #whyNotListed(): string | undefined {
    const kinds = Object.keys(this.#wanted()) as readonly Kind[]
    const missing = kinds.filter(kind => !this.#store.isSynced(kind))
    return missing.length === 0 ? undefined : `not listed yet: ${missing.join(', ')}`
  }

  #whyNotProgrammed(): string | undefined {
    if (this.#missing.size === 0) return undefined
    return `not in the kernel yet: the rules of IPv${[...this.#missing].join(' and IPv')}`
  }

  #whyNotAnswering(): string | undefined {
    if (this.#dns === undefined) return 'not started yet'
    return this.#dns.isReady() ? undefined : 'a plugin is not ready'
  }
}
