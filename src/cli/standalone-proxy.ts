import { countRequests } from '#cluster/api/request-metrics.ts'
import { openEvents } from '#cluster/open-events.ts'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { type ConfigWatch, refuseChange } from '#proxy/config/watch.ts'
import { runProxyService, wantedByProxyService } from '#proxy/service.ts'
import type { Logger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { type Part, runTogether } from '#runtime/run-together.ts'

/** An API server may know the Node only after a while (kube-proxy waits as long). */
const NODE_WAIT_MS = 30_000

/** A directory is listed whole: a Node that is not in it then will not come by itself. */
export const nodeWaitMs = ({ manifests }: Connection): number =>
  manifests === undefined ? NODE_WAIT_MS : 0

export type StandaloneProxyOptions = {
  readonly config: ProxyConfig
  readonly nodeName: string
  readonly objects: Connection
  /** The file that the configuration was read from: the process ends when it says something else. */
  readonly configFile: Omit<ConfigWatch, 'config' | 'log'> | undefined
  readonly log: Logger
}

/** Runs the service proxy with objects of its own until the signal is aborted. */
export async function runStandaloneProxy(
  { config, nodeName, objects, configFile, log }: StandaloneProxyOptions,
  stop: AbortSignal,
): Promise<void> {
  const store = new Store()
  const metrics = createMetrics()
  const wanted = wantedByProxyService(nodeName, config)
  const onRequest = countRequests(metrics)
  const source = await openSource(objects, { wanted, log, onRequest })
  using events = await openEvents(objects, { nodeName, log, onRequest })
  log.info({ origin: source.origin, node: nodeName }, 'starting')
  const service = {
    config,
    nodeName,
    store,
    nodeWaitMs: nodeWaitMs(objects),
    log,
    metrics,
    onEvent: events?.record.bind(events),
  }
  const parts: Part[] = [
    signal => source.run(store, signal),
    signal => runProxyService(service, signal),
  ]
  if (events !== undefined) parts.push(signal => events.run(signal))
  if (configFile !== undefined) {
    parts.push(signal => refuseChange({ ...configFile, config, log }, signal))
  }
  await runTogether(parts, stop)
}
