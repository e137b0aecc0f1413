import type { StoreReader } from '#cluster/store.ts'
import { builtExecutables } from '#cni/install/built.ts'
import { lacksRanges, renderConflist, withRanges } from '#cni/install/conflist.ts'
import { install } from '#cni/install/install.ts'
import { pluginNames } from '#cni/plugins.ts'
import { type IpPrefix, parsePrefixLenient } from '#net/prefix.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'

/** As the options of `nodeplane cni install`. */
export type CniInstallConfig = {
  readonly binDir: string
  readonly confDir: string
  /** The configuration's file name. */
  readonly name: string
  /** The configuration; the ranges that it lacks are the own Node's podCIDRs. undefined: one is made of those. */
  readonly conflist: string | undefined
  /** undefined: the executables of this build. */
  readonly from?: string | undefined
  readonly replace: boolean
}

/** Is the configuration made, or completed, of the own Node's podCIDRs? */
export const needsPodCidrs = ({ conflist }: Pick<CniInstallConfig, 'conflist'>): boolean =>
  conflist === undefined || lacksRanges(conflist)

type InstallFor = {
  /** Has the own Node. */
  readonly store: StoreReader
  readonly nodeName: string
  readonly clock: Clock
  readonly log: Logger
  /** Resolves when the node can serve pods. */
  readonly untilReady: () => Promise<void>
}

const LOOK_MS = 100

/**
 * Installs the executables at once and the network configuration once the node is ready; one that is there already, with the same
 * content, stays as it is. @throws {ConfigError} files of others are in the way. @throws system errors.
 */
export async function installCni(
  { binDir, confDir, name, conflist, from, replace }: CniInstallConfig,
  { store, nodeName, clock, log, untilReady }: InstallFor,
  signal: AbortSignal,
): Promise<void> {
  let text = conflistFor(conflist, podCidrsOf(store, nodeName))
  while (text === undefined) {
    await clock.sleep(LOOK_MS, signal)
    text = conflistFor(conflist, podCidrsOf(store, nodeName))
  }
  await install({
    binDir,
    confDir,
    from: from ?? builtExecutables(),
    plugins: pluginNames,
    conflist: { name, text },
    replace,
    untilReady,
    say: line => log.info(`CNI ${line}`),
  })
}

const podCidrsOf = (store: StoreReader, nodeName: string): readonly IpPrefix[] =>
  (store.get('Node', nodeName)?.podCIDRs ?? [])
    .map(parsePrefixLenient)
    .filter(prefix => prefix !== undefined)

/** The one that was given, with the Node's ranges where it names none; undefined before the Node has those. */
function conflistFor(given: string | undefined, podCidrs: readonly IpPrefix[]): string | undefined {
  if (given !== undefined && !lacksRanges(given)) return given
  if (podCidrs.length === 0) return undefined
  if (given !== undefined) return withRanges(given, podCidrs)
  // The MTU is what the routes offer, at the time of each ADD.
  return renderConflist({ podCidrs, mtu: undefined, plugins: pluginNames })
}
