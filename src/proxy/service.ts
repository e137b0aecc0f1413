import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import { hostAddresses } from '#net/host-addresses.ts'
import { familyOf, type IpAddress, isLinkLocal } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import { NodeplaneError } from '#runtime/error.ts'
import type { HttpRoutes } from '#runtime/http-server.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { type Part, runTogether } from '#runtime/run-together.ts'
import { usableFamilies } from './config/families.ts'
import { nodeIPs } from './config/node-ips.ts'
import { lastSeenNode, waitForNode } from './config/own-node.ts'
import type { ProxyConfig } from './config/schema.ts'
import { settingsFrom } from './config/to-settings.ts'
import { type Programmed, type ProxyOptions, runProxy, wantedByProxy } from './main.ts'
import { healthRoutes, ProxyHealth } from './server/health.ts'
import { metricsRoutes } from './server/metrics.ts'
import { type ServeOptions, serve } from './server/serve.ts'
import type { ProxySettings } from './settings.ts'

/** The kernel does not serve the family of the node's primary address. */
class FamilyError extends NodeplaneError {
  readonly code = 'ERR_FAMILY'
}

export type ProxyServiceOptions = {
  readonly config: ProxyConfig
  readonly nodeName: string
  /** Fed with at least {@link wantedByProxyService}. */
  readonly store: StoreReader
  /** How long to wait for the Node object once the Nodes are listed, milliseconds. */
  readonly nodeWaitMs: number
  readonly log: Logger
  readonly metrics: Metrics
  /** As {@link ProxyOptions.onProgrammed}. */
  readonly onProgrammed?: ((programmed: Programmed) => void) | undefined
}

/** The objects that the service needs: what the rules are made of, and the own Node. */
export const wantedByProxyService = (nodeName: string): Wanted => ({
  ...wantedByProxy,
  Node: { fieldSelector: `metadata.name=${nodeName}` },
})

/** Runs the service proxy and its health and metrics servers until the signal is aborted, then leaves the rules. */
export async function runProxyService(
  options: ProxyServiceOptions,
  stop: AbortSignal,
): Promise<void> {
  const { config, nodeName, store, nodeWaitMs, log } = options
  const node = await waitForNode(store, { name: nodeName, limitMs: nodeWaitMs }, stop)
  if (node === undefined) log.warn({ node: nodeName }, 'there is no such Node; going on without it')
  const families = usableFamilies()
  const machineIPs = addressesInUse()
  const [primary] = nodeIPs(node, config.bindAddress, machineIPs)
  if (!families.includes(familyOf(primary))) {
    throw new FamilyError(`the kernel has no IPv6, but the node's primary address is ${primary}`)
  }
  const settings = settingsFrom(config, { nodeName, node, machineIPs, families })
  await runTogether(partsOf(options, settings), stop)
}

function partsOf(
  { config, store, log, metrics, onProgrammed }: ProxyServiceOptions,
  settings: ProxySettings,
): readonly Part[] {
  const clock = systemClock
  const health = new ProxyHealth(settings.families, clock)
  const proxy: ProxyOptions = {
    store,
    settings,
    log,
    metrics,
    onQueued: family => health.queued(family),
    onProgrammed: programmed => {
      health.updated(programmed.family)
      onProgrammed?.(programmed)
    },
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

/** The machine's addresses that others can reach, in the order of its links. */
const addressesInUse = (): readonly IpAddress[] =>
  hostAddresses()
    .filter(({ address, isOnLoopback }) => !isOnLoopback && !isLinkLocal(address))
    .map(({ address }) => address)
