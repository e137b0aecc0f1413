import { networkInterfaces } from 'node:os'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import { familyOf, type IpAddress, parseIp } from '#net/ip.ts'
import { usableFamilies } from '#proxy/config/families.ts'
import { nodeIPs } from '#proxy/config/node-ips.ts'
import { lastSeenNode, waitForNode } from '#proxy/config/own-node.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { settingsFrom } from '#proxy/config/to-settings.ts'
import { refuseChange } from '#proxy/config/watch.ts'
import { type ProxyOptions, runProxy, wantedByProxy } from '#proxy/main.ts'
import { healthRoutes, ProxyHealth } from '#proxy/server/health.ts'
import { metricsRoutes } from '#proxy/server/metrics.ts'
import { type ServeOptions, serve } from '#proxy/server/serve.ts'
import type { ProxySettings } from '#proxy/settings.ts'
import { systemClock } from '#runtime/clock.ts'
import { isAbort, NodeplaneError } from '#runtime/error.ts'
import type { HttpRoutes } from '#runtime/http-server.ts'
import type { Logger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { type ObjectSource, openObjectSource } from './object-source.ts'

/** An API server may know the Node only after a while (kube-proxy waits as long). */
const NODE_WAIT_MS = 30_000

/** The kernel does not serve the family of the node's primary address. */
class FamilyError extends NodeplaneError {
  readonly code = 'ERR_FAMILY'
}

export type ProxyServiceOptions = {
  readonly config: ProxyConfig
  readonly nodeName: string
  readonly objects: ObjectSource
  /** The file that the configuration was read from: the process ends when it changes. */
  readonly configFile: { readonly path: string; readonly text: string } | undefined
  readonly log: Logger
}

/** Runs the service proxy and its servers until the signal is aborted, then returns and leaves the rules. */
export async function runProxyService(
  options: ProxyServiceOptions,
  stop: AbortSignal,
): Promise<void> {
  const { configFile, nodeName, objects, log } = options
  const store = new Store()
  const wanted: Wanted = {
    ...wantedByProxy,
    Node: { fieldSelector: `metadata.name=${nodeName}` },
  }
  const source = await openObjectSource(objects, { wanted, log })
  log.info({ origin: source.origin, node: nodeName }, 'starting')
  await runTogether(
    [
      signal => source.run(store, signal),
      signal => program(options, store, signal),
      ...(configFile === undefined
        ? []
        : [(signal => refuseChange(configFile.path, configFile.text, signal)) satisfies Part]),
    ],
    stop,
  )
}

async function program(
  { config, nodeName, objects, log }: ProxyServiceOptions,
  store: Store,
  stop: AbortSignal,
): Promise<void> {
  // A directory is listed whole: a Node that is not in it then will not come by itself.
  const limitMs = objects.manifests === undefined ? NODE_WAIT_MS : 0
  const node = await waitForNode(store, { name: nodeName, limitMs }, stop)
  if (node === undefined) log.warn({ node: nodeName }, 'there is no such Node; going on without it')
  const families = usableFamilies()
  const machineIPs = addressesInUse()
  const [primary] = nodeIPs(node, config.bindAddress, machineIPs)
  if (!families.includes(familyOf(primary))) {
    throw new FamilyError(`the kernel has no IPv6, but the node's primary address is ${primary}`)
  }
  const settings = settingsFrom(config, { nodeName, node, machineIPs, families })
  await runTogether(partsOf({ config, settings, store, log }), stop)
}

type PartsOptions = {
  readonly config: ProxyConfig
  readonly settings: ProxySettings
  readonly store: Store
  readonly log: Logger
}

function partsOf({ config, settings, store, log }: PartsOptions): readonly Part[] {
  const metrics = createMetrics()
  const clock = systemClock
  const health = new ProxyHealth(settings.families, clock)
  const proxy: ProxyOptions = {
    store,
    settings,
    log,
    metrics,
    onQueued: family => health.queued(family),
    onProgrammed: ({ family }) => health.updated(family),
  }
  const node = lastSeenNode(store, settings.nodeName)
  const server = (name: string, address: string, routes: HttpRoutes): ServeOptions => ({
    name,
    address,
    routes,
    hardFail: config.bindAddressHardFail,
    log,
    clock,
  })
  const servers = [
    server('health', config.healthzBindAddress, healthRoutes({ health, node, metrics, clock })),
    server('metrics', config.metricsBindAddress, metricsRoutes(metrics, config)),
  ]
  return [
    signal => runProxy(proxy, signal),
    ...servers.map(
      (options): Part =>
        signal =>
          serve(options, signal),
    ),
  ]
}

/** Runs until the signal is aborted. */
type Part = (signal: AbortSignal) => Promise<void>

/**
 * Runs parts side by side until all have returned. When one fails the others are stopped, and its error is thrown once
 * they have. What a part throws because it was stopped is no error.
 */
async function runTogether(parts: readonly Part[], stop: AbortSignal): Promise<void> {
  const failure = new AbortController()
  const signal = AbortSignal.any([stop, failure.signal])
  const failures: unknown[] = []
  await Promise.all(
    parts.map(async part => {
      try {
        await part(signal)
      } catch (error) {
        if (signal.aborted && isAbort(error)) return
        failures.push(error)
        failure.abort()
      }
    }),
  )
  if (failures.length > 0) throw failures[0]
}

/** The machine's addresses that others can reach, in the order of its links. */
function addressesInUse(): readonly IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .filter(({ internal, scopeid }) => !internal && !scopeid)
    .flatMap(({ address }) => parseIp(address) ?? [])
}
