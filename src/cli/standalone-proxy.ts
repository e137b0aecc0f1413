import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { refuseChange } from '#proxy/config/watch.ts'
import { runProxyService, wantedByProxyService } from '#proxy/service.ts'
import type { Logger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { type Part, runTogether } from '#runtime/run-together.ts'

/** An API server may know the Node only after a while (kube-proxy waits as long). */
const NODE_WAIT_MS = 30_000

export type StandaloneProxyOptions = {
  readonly config: ProxyConfig
  readonly nodeName: string
  readonly objects: Connection
  /** The file that the configuration was read from: the process ends when it changes. */
  readonly configFile: { readonly path: string; readonly text: string } | undefined
  readonly log: Logger
}

/** Runs the service proxy with objects of its own until the signal is aborted. */
export async function runStandaloneProxy(
  { config, nodeName, objects, configFile, log }: StandaloneProxyOptions,
  stop: AbortSignal,
): Promise<void> {
  const store = new Store()
  const wanted = wantedByProxyService(nodeName)
  const source = await openSource(objects, { wanted, log })
  log.info({ origin: source.origin, node: nodeName }, 'starting')
  // A directory is listed whole: a Node that is not in it then will not come by itself.
  const nodeWaitMs = objects.manifests === undefined ? NODE_WAIT_MS : 0
  const service = { config, nodeName, store, nodeWaitMs, log, metrics: createMetrics() }
  const parts: Part[] = [
    signal => source.run(store, signal),
    signal => runProxyService(service, signal),
  ]
  if (configFile !== undefined) {
    parts.push(signal => refuseChange(configFile.path, configFile.text, signal))
  }
  await runTogether(parts, stop)
}
