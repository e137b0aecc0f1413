import type { Node } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { familyOf, type IpAddress, type IpFamily, ipFamilies, isLoopback } from '#net/ip.ts'
import { ConfigError, formatProblem, NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { type FamilyFaults, kernelFaults } from './config/families.ts'
import { familyProblems } from './config/family-sanity.ts'
import { nodeIPs } from './config/node-ips.ts'
import { waitForNode } from './config/own-node.ts'
import type { ProxyConfig } from './config/schema.ts'
import { settingsFrom } from './config/to-settings.ts'
import { localDetector } from './local-detector.ts'
import type { ProxySettings } from './settings.ts'

/** How long the Node may lack podCIDRs where they are needed (kube-proxy), milliseconds. */
const POD_CIDRS_WAIT_MS = 300_000

/** The family of the node's primary address cannot be served. */
class FamilyError extends NodeplaneError {
  readonly code = 'ERR_FAMILY'
}

/** The Node has no pod prefixes, which the detector NodeCIDR needs. */
class PodCidrsError extends NodeplaneError {
  readonly code = 'ERR_POD_CIDRS'
}

export type PrepareOptions = {
  readonly config: ProxyConfig
  readonly nodeName: string
  readonly store: StoreReader
  /** How long to wait for the Node object once the Nodes are listed, milliseconds; 0: what is listed decides. */
  readonly nodeWaitMs: number
  readonly log: Logger
  /** What cannot be served here; {@link kernelFaults} when not given, which is what a look needs that programs nothing. */
  readonly faults?:
    | ((config: ProxyConfig, signal: AbortSignal) => Promise<FamilyFaults>)
    | undefined
}

/** What the configuration means on this node. */
export type Prepared = { readonly settings: ProxySettings; readonly node: Node | undefined }

/**
 * Waits for the Node and makes the settings from it, the machine and the configuration. Writes nothing.
 * @throws {NodeplaneError} the configuration does not go with the node.
 */
export async function prepare(options: PrepareOptions, stop: AbortSignal): Promise<Prepared> {
  const { config, nodeName, log } = options
  const node = await ownNode(options, stop)
  if (node === undefined) log.warn({ node: nodeName }, 'there is no such Node; going on without it')
  const [primary] = nodeIPs(node, config.bindAddress)
  if (isLoopback(primary) && primary !== config.bindAddress) {
    // A Node that is missing has been warned of.
    log[node === undefined ? 'info' : 'warn'](
      { node: nodeName },
      'no address of this node is known, so loopback is taken; see bindAddress',
    )
  }
  const ofKernel = kernelFaults()
  const faults = (await options.faults?.(config, stop)) ?? ofKernel
  const families = servedFamilies(faults, primary)
  for (const [family, reason] of faults) {
    // A kernel without IPv6 is somebody's choice.
    log[ofKernel.has(family) ? 'info' : 'warn']({ family, reason }, 'family not served')
  }
  const problems = familyProblems(config, { primary, families, podCIDRs: node?.podCIDRs ?? [] })
  const fatal = problems.filter(({ isFatal }) => isFatal)
  if (fatal.length > 0) throw new ConfigError(fatal)
  for (const problem of problems) log.warn(formatProblem(problem))
  const settings = settingsFrom(config, { nodeName, node, families })
  tellOfDetector(settings, { family: familyOf(primary), log })
  return { settings, node }
}

/** What is of the other family is not told: a cluster of one has no CIDR of the other (kube-proxy, getLocalDetectors). */
function tellOfDetector(
  settings: ProxySettings,
  { family, log }: { readonly family: IpFamily; readonly log: Logger },
): void {
  if (localDetector(settings, family) !== undefined) return
  log.info(
    { family },
    'clusterCIDR is not set for the primary family, so no traffic counts as that of pods',
  )
}

/** A secondary family that cannot be served keeps nobody from the other one. @throws {FamilyError} the primary one cannot. */
function servedFamilies(faults: FamilyFaults, primary: IpAddress): readonly IpFamily[] {
  const family = familyOf(primary)
  const fault = faults.get(family)
  if (fault !== undefined) {
    const other = family === 4 ? 6 : 4
    const way = faults.has(other) ? '' : `, or set bindAddress to an IPv${other} address`
    const reason = `the node's primary address ${primary} is IPv${family}, which cannot be served`
    throw new FamilyError(`${reason}: ${fault}; mend that${way}`)
  }
  return ipFamilies.filter(each => !faults.has(each))
}

async function ownNode(
  { config, nodeName, store, nodeWaitMs }: PrepareOptions,
  stop: AbortSignal,
): Promise<Node | undefined> {
  const node = await waitForNode(store, { name: nodeName, limitMs: nodeWaitMs }, stop)
  if (config.detectLocalMode !== 'NodeCIDR' || hasPodCIDRs(node)) return node
  const limitMs = nodeWaitMs === 0 ? 0 : POD_CIDRS_WAIT_MS
  const later = await waitForNode(store, { name: nodeName, limitMs, isReady: hasPodCIDRs }, stop)
  if (hasPodCIDRs(later)) return later
  throw new PodCidrsError(`detectLocalMode NodeCIDR: Node ${nodeName} has no podCIDRs`)
}

const hasPodCIDRs = (node: Node | undefined): boolean => (node?.podCIDRs.length ?? 0) > 0
