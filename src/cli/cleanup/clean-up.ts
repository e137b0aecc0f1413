import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { unbindAddresses } from '#agent/node-local/bound-addresses.ts'
import { removeAttachments } from '#cni/cleanup.ts'
import { uninstall } from '#cni/install/install.ts'
import { removeSharedChains } from '#cni/shared-chains.ts'
import { removeLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { listNftTables, removeNftTables } from '#linux/nft-tables.ts'
import { cleanupProxy } from '#proxy/main.ts'
import { isServiceChain } from '#proxy/service-chains.ts'
import { cleanupRoutes } from '#routes/main.ts'
import { describeError, errnoCode } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { attachedPods, bridgesThere, type Leftover, leftoversIn, type Seen } from './leftovers.ts'
import { journalIn, look, type Places } from './look.ts'

export type CleanupOptions = {
  readonly places: Places
  /** Also pods that run lose their network. */
  readonly withPods: boolean
  /** A kube-proxy runs: what has its names stays. */
  readonly keepKubeProxy: boolean
  readonly log: Logger
}

/** What cleaning up would remove, or has done. */
export type Outcome = {
  readonly removed: readonly Leftover[]
  /** Left for pods that are attached. */
  readonly kept: readonly Leftover[]
  /** How many of these there are. */
  readonly pods: number
  /** What is there though it should have gone. */
  readonly stayed: readonly Leftover[]
  /** What went wrong on the way. */
  readonly problems: readonly string[]
}

/** What {@link cleanUp} would do; changes nothing. @throws {NodeplaneError} the kernel could not be asked. */
export async function planCleanup(options: CleanupOptions, signal: AbortSignal): Promise<Outcome> {
  const seen = await look(options.places, signal)
  const all = listLeftovers(seen, options)
  const keeps = keepsPods(seen, options)
  const isKept = ({ part }: Leftover) => keeps && part === 'pods'
  return {
    removed: all.filter(each => !isKept(each)),
    kept: all.filter(isKept),
    pods: keeps ? attachedPods(seen) : 0,
    stayed: [],
    problems: [],
  }
}

/**
 * Removes everything that any earlier run left on the node. Everything is tried, whatever fails, and then looked at again: what
 * is still there is in the outcome. While pods are attached their network stays, unless `withPods`. Idempotent.
 * @throws {NodeplaneError} the kernel could not be asked.
 */
export async function cleanUp(options: CleanupOptions, signal: AbortSignal): Promise<Outcome> {
  const { places } = options
  const before = await look(places, signal)
  const keeps = keepsPods(before, options)
  const problems: string[] = []
  const attempt = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      if (signal.aborted) throw error
      problems.push(`${what}: ${describeError(error)}`)
    }
  }
  await attempt('service rules', () => removeServices(options, signal))
  await attempt('routes', () => cleanupRoutes({ mtuFile: join(places.runDir, 'mtu') }, signal))
  await attempt('node-local addresses', () => unbindAddresses(signal))
  await removePods(before, { ...options, keeps }, attempt, signal)
  for (const path of before.files) await attempt(path, async () => remove(path))
  if (!keeps) for (const dir of [places.runDir, places.stateDir]) removeFolder(dir)
  const all = listLeftovers(before, options)
  const after = listLeftovers(await look(places, signal), options)
  const isStill = ({ what }: Leftover) => after.some(each => each.what === what)
  const isKept = ({ part }: Leftover) => keeps && part === 'pods'
  return {
    removed: all.filter(each => !isStill(each)),
    kept: after.filter(isKept),
    pods: keeps ? attachedPods(before) : 0,
    stayed: after.filter(each => !isKept(each)),
    problems,
  }
}

const listLeftovers = (seen: Seen, { keepKubeProxy }: CleanupOptions): readonly Leftover[] =>
  leftoversIn(seen, isServiceChain).filter(({ part }) => !(keepKubeProxy && part === 'kube-proxy'))

async function removeServices(
  { keepKubeProxy, log }: CleanupOptions,
  signal: AbortSignal,
): Promise<void> {
  if (!keepKubeProxy) return await cleanupProxy(log, signal)
  const tables = await listNftTables()
  await removeNftTables(
    tables.filter(name => name.endsWith(' nodeplane')),
    signal,
  )
}

const keepsPods = (seen: Seen, { withPods }: CleanupOptions): boolean =>
  !withPods && attachedPods(seen) > 0

type Attempt = (what: string, work: () => Promise<unknown>) => Promise<void>

/** Attachments whose container has gone always end; the network itself only when nobody is attached to it. */
async function removePods(
  seen: Seen,
  { places, withPods, keeps, log }: CleanupOptions & { readonly keeps: boolean },
  attempt: Attempt,
  signal: AbortSignal,
): Promise<void> {
  const folders = { stateDir: join(places.runDir, 'pods'), journalDir: journalIn(places) }
  const warn = (fields: object, message: string) => log.warn(fields, message)
  await attempt('attachments', async () => {
    const { failed } = await removeAttachments(folders, { withLive: withPods, warn }, signal)
    const reasons = failed.map(({ entry, reason }) => `${entry.containerId}: ${reason}`)
    if (reasons.length > 0) throw new Error(reasons.join('; '))
  })
  if (keeps) return
  await attempt('tables of the pod network', async () => {
    const tables = await listNftTables()
    await removeNftTables(
      tables.filter(name => / nodeplane_(cni|hostport)$/.test(name)),
      signal,
    )
  })
  await attempt('chains of the pod network', () => removeSharedChains(signal))
  await attempt('bridges', async () => {
    using socket = NetlinkSocket.open()
    for (const { index } of bridgesThere(seen)) await removeLink(socket, index)
  })
  await attempt('installed files', async () => {
    const said: string[] = []
    uninstall({ confDir: places.confDir, say: line => said.push(line) })
    const left = said.filter(line => line.startsWith('left '))
    if (left.length > 0) throw new Error(left.join('; '))
  })
  for (const path of seen.podFiles) {
    const isState = [places.runDir, places.stateDir].some(dir => path.startsWith(`${dir}/`))
    if (isState) await attempt(path, async () => remove(path))
  }
}

const remove = (path: string): void => rmSync(path, { recursive: true, force: true })

/** An empty folder goes too; one that is a mount point, as in a container, stays without harm. */
function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    if (errnoCode(error) !== 'EBUSY') throw error
  }
}
