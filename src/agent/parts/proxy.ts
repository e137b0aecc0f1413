import { openEvents } from '#cluster/open-events.ts'
import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import { type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import { programmingFaults, usableFamilies } from '#proxy/config/families.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { diffRules } from '#proxy/inspect.ts'
import type { ReadCounters } from '#proxy/options.ts'
import { prepare } from '#proxy/prepare.ts'
import { runProxyService, wantedByProxyService } from '#proxy/service.ts'
import { systemClock } from '#runtime/clock.ts'
import { runTogether } from '#runtime/run-together.ts'
import { type ProbeResult, skipped } from '../health/probe.ts'
import { probeRules } from '../health/rules-probe.ts'
import { chooseService } from '../health/service-choice.ts'
import { probeService } from '../health/service-probe.ts'
import { PublishGate } from '../publish-gate.ts'
import { TrafficReader } from '../view/traffic.ts'
import type { DifferenceView } from '../view/types.ts'
import type { AgentContext, AgentPart } from './part.ts'

/** An API server may know a new Node only after a while (kube-proxy waits as long), milliseconds. */
const NODE_WAIT_MS = 30_000

/** Services become kernel rules. */
export class ProxyPart implements AgentPart {
  readonly name = 'proxy'
  readonly wanted: Wanted
  /** What counts its traffic, a family each, once it runs; the mode may have none. */
  readonly #counters: ReadCounters[] = []
  /** What goes through the service ports, for all who look. */
  readonly traffic = new TrafficReader(this.#counters, systemClock)
  readonly #config: ProxyConfig
  readonly #context: AgentContext
  readonly #gate: PublishGate
  readonly #answeredHere: readonly IpAddress[]
  /** The families whose rules are not in the kernel yet. */
  readonly #missing = new Set<IpFamily>(usableFamilies())

  /** @param answeredHere addresses of Services that this node answers whatever the rules say. */
  constructor(config: ProxyConfig, context: AgentContext, answeredHere: readonly IpAddress[]) {
    this.#config = config
    this.#answeredHere = answeredHere
    this.#context = context
    this.#gate = new PublishGate(context.store)
    // All Services and slices: DNS has names for the headless ones too, and the proxy passes over what is not for it.
    const wanted = wantedByProxyService(context.nodeName, config)
    this.wanted = { ...wanted, Service: {}, EndpointSlice: {} }
  }

  /** The store as those may see it who publish what this part has programmed. */
  published(): StoreReader {
    return this.#gate.reader()
  }

  /** In what the kernel's rules differ from what this configuration makes of the cluster. */
  async differences(signal: AbortSignal): Promise<readonly DifferenceView[]> {
    const { nodeName, store, log } = this.#context
    const node = { config: this.#config, nodeName, store, nodeWaitMs: 0, log }
    const { settings } = await prepare({ ...node, faults: programmingFaults }, signal)
    return diffRules({ store, settings, log }, signal)
  }

  whyNot(): string | undefined {
    if (this.#missing.size === 0) return undefined
    return `not in the kernel yet: the rules of IPv${[...this.#missing].join(' and IPv')}`
  }

  async probe(signal: AbortSignal): Promise<ProbeResult> {
    const target = chooseService(this.#context.store, this.#answeredHere)
    if (target !== undefined) return probeService(target, signal)
    return isNftables(this.#config)
      ? probeRules(usableFamilies())
      : skipped('neither default/kubernetes nor kube-system/kube-dns can be connected to')
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodeName, connection, store, log, metrics, incidents } = this.#context
    using events = await openEvents(connection, { nodeName, log })
    const run = (signal: AbortSignal) =>
      runProxyService(
        {
          config: this.#config,
          onEvent: events?.record.bind(events),
          nodeName,
          store,
          nodeWaitMs: connection.manifests === undefined ? NODE_WAIT_MS : 0,
          log,
          metrics,
          onLoss: incidents.lossesOf('proxy'),
          onCounters: (_family, read) => void this.#counters.push(read),
          onFamilies: families => {
            for (const family of ipFamilies)
              if (!families.includes(family)) this.#missing.delete(family)
          },
          onProgrammed: ({ family, revision }) => {
            this.#missing.delete(family)
            this.#gate.programmed(family, revision)
          },
        },
        signal,
      )
    await runTogether([run, async signal => events?.run(signal)], signal)
  }
}

const isNftables = ({ mode }: ProxyConfig): boolean => mode === '' || mode === 'nftables'
