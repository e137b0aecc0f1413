import type { ClusterEvent, EventSink } from '#cluster/events.ts'
import type { Node } from '#cluster/objects.ts'
import type { Wanted } from '#cluster/source.ts'
import type { IpFamily } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import { type LogLevel, setLevel } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { type Part, runTogether, untilAborted } from '#runtime/run-together.ts'
import { proxyModes } from './backends.ts'
import { programmingFaults } from './config/families.ts'
import { effectiveMode } from './config/mode.ts'
import type { ProxyConfig } from './config/schema.ts'
import { syncPeriodMs } from './config/to-settings.ts'
import { runProxy, wantedByProxy } from './main.ts'
import type { Programmed, ProxyOptions } from './options.ts'
import { watchOwnNode } from './own-node-watch.ts'
import { type Prepared, type PrepareOptions, prepare } from './prepare.ts'
import { registerComponentMetrics } from './server/component-metrics.ts'
import { healthRoutes, ProxyHealth } from './server/health.ts'
import { metricsRoutes } from './server/metrics.ts'
import { PROFILE_TIMEOUT_MS } from './server/profiling.ts'
import { type ServeOptions, serve } from './server/serve.ts'
import { applySettings, tune } from './tune.ts'

export type ProxyServiceOptions = Omit<PrepareOptions, 'faults'> & {
  readonly metrics: Metrics
  /** Told once which families will be programmed. */
  readonly onFamilies?: ((families: readonly IpFamily[]) => void) | undefined
  /** As {@link ProxyOptions.onProgrammed}. */
  readonly onProgrammed?: ((programmed: Programmed) => void) | undefined
  /** As {@link ProxyOptions.onLoss}. */
  readonly onLoss?: ProxyOptions['onLoss']
  /** As {@link ProxyOptions.onCounters}. */
  readonly onCounters?: ProxyOptions['onCounters']
  /** Told what the cluster should know. */
  readonly onEvent?: EventSink | undefined
  /** As {@link ProxyOptions.backends}. */
  readonly backends?: ProxyOptions['backends']
}

/**
 * The objects that the service needs: what the rules are made of, and the own Node. ServiceCIDRs only in mode nftables, where
 * kube-proxy watches them in any mode.
 */
export const wantedByProxyService = (
  nodeName: string,
  config: Pick<ProxyConfig, 'mode'>,
): Wanted => ({
  ...wantedByProxy,
  Node: { fieldSelector: `metadata.name=${nodeName}` },
  ...(effectiveMode(config, proxyModes) === 'nftables' ? { ServiceCIDR: {} } : {}),
})

/**
 * Runs the service proxy and its health and metrics servers until the signal is aborted, then leaves the rules.
 * @throws {NodeplaneError} the configuration does not go with the node, or the Node's pod prefixes changed.
 */
export async function runProxyService(
  options: ProxyServiceOptions,
  stop: AbortSignal,
): Promise<void> {
  const prepared = await prepare({ ...options, faults: programmingFaults }, stop)
  options.onFamilies?.(prepared.settings.families)
  await runTogether(new ProxyService(options, prepared).parts(), stop)
}

class ProxyService {
  readonly #options: ProxyServiceOptions
  readonly #prepared: Prepared
  readonly #health: ProxyHealth
  /** The own Node as last seen. */
  #node: Node | undefined
  readonly #programmed = Promise.withResolvers<void>()

  constructor(options: ProxyServiceOptions, prepared: Prepared) {
    this.#options = options
    this.#prepared = prepared
    this.#node = prepared.node
    const { families } = prepared.settings
    this.#health = new ProxyHealth(
      { families, syncPeriodMs: syncPeriodMs(options.config) },
      systemClock,
    )
  }

  parts(): readonly Part[] {
    const { config, metrics, store, nodeName, log } = this.#options
    registerComponentMetrics(metrics, config)
    const missing = tune(config, log)
    this.#tell({ type: 'Normal', reason: 'Starting', note: '' })
    if (this.#prepared.settings.mode === 'ipvs') {
      const note = 'the ipvs proxier is deprecated; use nftables'
      this.#tell({ type: 'Warning', reason: 'IPVSDeprecation', note })
      log.error(note)
    }
    const { node } = this.#prepared
    const usesPodCIDRs = config.detectLocalMode === 'NodeCIDR'
    const onNode = (node: Node) => {
      this.#node = node
    }
    return [
      signal => runProxy(this.#proxy(), signal),
      ...this.#servers().map(
        (server): Part =>
          signal =>
            serve(server, signal),
      ),
      signal => watchOwnNode({ store, nodeName, node, usesPodCIDRs, onNode, log }, signal),
      async signal => {
        await Promise.race([this.#programmed.promise, untilAborted(signal)])
        // The rules have loaded conntrack.
        if (!signal.aborted) applySettings(missing, { log })
      },
    ]
  }

  #proxy(): ProxyOptions {
    const { store, log, metrics, backends } = this.#options
    const { onEvent, onProgrammed, onCounters, onLoss } = this.#options
    const health = this.#health
    return {
      store,
      settings: this.#prepared.settings,
      log,
      metrics,
      backends,
      isHealthy: () => health.isHealthy(),
      onEvent,
      onCounters,
      onLoss,
      onQueued: family => health.queued(family),
      onProgrammed: programmed => {
        health.updated(programmed.family)
        this.#programmed.resolve()
        onProgrammed?.(programmed)
      },
    }
  }

  #servers(): readonly ServeOptions[] {
    const { config, metrics, log } = this.#options
    const { mode = 'nftables' } = this.#prepared.settings
    const health = this.#health
    const clock = systemClock
    const node = () => this.#node
    const common = { hardFail: config.bindAddressHardFail, log, clock }
    const served = {
      metrics,
      config,
      mode,
      health,
      nowMs: () => clock.now(),
      setLevel: (level: LogLevel) => setLevel(log, level),
    }
    return [
      {
        ...common,
        name: 'health',
        address: config.healthzBindAddress,
        routes: healthRoutes({ health, node, metrics, clock }),
        onFailure: error => this.#failed('FailedToStartProxierHealthcheck', error),
      },
      {
        ...common,
        name: 'metrics',
        address: config.metricsBindAddress,
        routes: metricsRoutes(served),
        onFailure: error => this.#failed('FailedToStartMetricServer', error),
        timeoutMs: config.enableProfiling ? PROFILE_TIMEOUT_MS : undefined,
      },
    ]
  }

  #failed(reason: string, error: unknown): void {
    this.#tell({ type: 'Warning', reason, note: describeError(error) })
  }

  /** Tells of the own Node. */
  #tell(event: Pick<ClusterEvent, 'type' | 'reason' | 'note'>): void {
    const { nodeName, onEvent } = this.#options
    const regarding = { kind: 'Node', name: nodeName, namespace: '' } as const
    onEvent?.({ regarding, action: 'StartKubeProxy', ...event })
  }
}
