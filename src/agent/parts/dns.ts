import type { StoreReader } from '#cluster/store.ts'
import type { AttachedPods } from '#cni/pods/attached-pods.ts'
import type { CachedAnswers, LocalPods } from '#dns/plugin.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import type { DnsServer } from '#dns/server/dns-server.ts'
import type { Explained, Explanation } from '#dns/server/explain.ts'
import { startDns } from '#dns/start.ts'
import type { IpAddress } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import { type DnsTop, dnsTop, NO_TOP, type PodAt, registerTopClients } from '../dns-top.ts'
import { chooseName, probeDns } from '../health/dns-probe.ts'
import { type ProbeResult, skipped } from '../health/probe.ts'
import { localPodsFrom } from '../local-pods.ts'
import { nodeLocalDifferences } from '../node-local/diff.ts'
import { serveNodeLocal } from '../node-local/serve.ts'
import type { DifferenceView } from '../view/types.ts'
import type { AgentContext, AgentPart } from './part.ts'

const LOOPBACK = '127.0.0.1' as IpAddress

export type DnsPartConfig = {
  readonly corefile: string
  readonly port: number
  readonly fastPathWorkers: number
  /** Stands in every server block with these settings; undefined: where the Corefile says so. */
  readonly podsPolicy: KubeletDns | undefined
  /** Addresses whose queries are caught on this node; empty: none. */
  readonly nodeLocal: readonly IpAddress[]
}

type Neighbours = {
  /** What may be published. */
  readonly reader: StoreReader
  /** Who has which address, where this agent gives them; undefined: another does. */
  readonly attached: (() => AttachedPods | undefined) | undefined
  /** Why what DNS stands on does not stand yet. */
  readonly whyNotBefore: () => string | undefined
}

/** Names become answers. */
export class DnsPart implements AgentPart {
  readonly name = 'dns'
  readonly wanted = { Service: {}, EndpointSlice: {}, Namespace: {} }
  readonly #config: DnsPartConfig
  readonly #context: AgentContext
  readonly #neighbours: Neighbours
  #server: DnsServer | undefined
  #localPods: Promise<LocalPods> | undefined
  /** The same once they are known. */
  #knownPods: LocalPods['pods'] | undefined

  constructor(config: DnsPartConfig, context: AgentContext, neighbours: Neighbours) {
    this.#config = config
    this.#context = context
    this.#neighbours = neighbours
    registerTopClients(context.metrics, () => this.top())
  }

  /** Every zone that is served. */
  get served(): readonly string[] {
    return this.#server?.served ?? []
  }

  /** What was asked most of late, and by whom. */
  async top(): Promise<DnsTop> {
    const most = await this.#server?.askedMost()
    return most === undefined ? NO_TOP : dnsTop(most, address => this.#podAt(address))
  }

  /** How a question would be answered; undefined before anything is. */
  async explain(explained: Explained): Promise<Explanation | undefined> {
    return this.#server?.explain(explained)
  }

  /** What of node-local DNS is not in the kernel. */
  async differences(): Promise<readonly DifferenceView[]> {
    const { nodeLocal } = this.#config
    return nodeLocal.length === 0 ? [] : nodeLocalDifferences(nodeLocal)
  }

  /** Of every server block. */
  get caches(): readonly CachedAnswers[] {
    return this.#server?.caches ?? []
  }

  whyNot(): string | undefined {
    if (this.#server === undefined) return 'not started yet'
    return this.#server.isReady() ? undefined : 'a plugin is not ready'
  }

  async probe(signal: AbortSignal): Promise<ProbeResult> {
    const place = this.#server?.clusterPlace
    if (place === undefined) return skipped('no server block has the names of the cluster')
    const { store } = this.#context
    const { options, port, address } = place
    const question = chooseName(store, options.primaryZone, options)
    const [caught] = this.#config.nodeLocal
    // As pods do: what rules of this node catch is asked for by way of these rules.
    const target =
      caught === undefined ? { address: address ?? LOOPBACK, port } : { address: caught, port: 53 }
    return probeDns(question, target, signal)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodeLocal: addresses } = this.#config
    const serve = (signal: AbortSignal) => this.#serve(signal)
    if (addresses.length === 0) return serve(signal)
    const log = this.#context.log.child({ component: 'dns' })
    // What has stood once is not taken back: DNS must not fail with the others.
    let stands = false
    const isReady = () => {
      stands ||= this.#neighbours.whyNotBefore() === undefined
      return stands && (this.#server?.isReady() ?? false)
    }
    const onLoss = this.#context.incidents.lossesOf('dns')
    await serveNodeLocal({ addresses, clock: systemClock, log, onLoss, serve, isReady }, signal)
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { corefile, port, fastPathWorkers, podsPolicy } = this.#config
    const { cluster, log, metrics, lines, env } = this.#context
    const server = await startDns({
      corefile,
      defaultPort: port,
      cluster: cluster.accessThrough(this.#neighbours.reader, () => this.#pods()),
      podsPolicy: podsPolicy !== undefined,
      log: log.child({ component: 'dns' }),
      metrics,
      lines,
      env,
      fastPathWorkers,
      signal,
    })
    this.#server = server
    log.info({ served: server.served }, 'answering')
    await server.ended
  }

  /** Whoever gives pods their addresses knows first; else what the Pods' status says, where it is read. */
  #podAt(address: IpAddress): ReturnType<PodAt> {
    return (
      this.#neighbours.attached?.()?.byAddress(address)?.pod ??
      this.#knownPods?.podAt(address)?.metadata
    )
  }

  /** For every `pods_policy` of every Corefile. */
  #pods(): Promise<LocalPods> {
    const { nodeName, cluster } = this.#context
    const { podsPolicy: kubelet, nodeLocal } = this.#config
    const { attached } = this.#neighbours
    this.#localPods ??= cluster
      .podsOf(nodeName)
      .then(({ store }) => localPodsFrom({ store, nodeName, attached, kubelet, nodeLocal }))
      .then(known => {
        this.#knownPods = known.pods
        return known
      })
    return this.#localPods
  }
}
