import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { createNftWriter } from '#linux/nft-writer.ts'
import { ipFamilies } from '#net/ip.ts'
import { Backoff } from '#runtime/backoff.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { OFFERED_MTU_FILE } from '#runtime/offered-mtu.ts'
import { removeRoutes } from './apply.ts'
import { masqueraderOf, removeMasquerade } from './masquerade/backend.ts'
import { createRoutesMetrics } from './metrics.ts'
import { withdrawMtu } from './mtu-file.ts'
import type { Plan } from './plan.ts'
import { RoutesRunner } from './runner.ts'
import type { RoutesSettings } from './settings.ts'
import { watchKernel } from './watch.ts'

/** Waits after failed syncs. */
const RETRY_INITIAL_MS = 200
const RETRY_MAX_MS = 10_000

export type RoutesOptions = {
  /** Fed with at least {@link wantedByRoutes}. */
  readonly store: StoreReader
  readonly settings: RoutesSettings
  readonly log: Logger
  /** Metrics `nodeplane_routes_…` are registered here. */
  readonly metrics: Metrics
  /** The machine's clock when not given. */
  readonly clock?: Clock | undefined
  /** Called after each sync: why the routes are not in the kernel, or undefined when they are. */
  readonly onStatus?: ((whyNot: string | undefined) => void) | undefined
  /** Told of routes, links and masquerade that somebody else took away. */
  readonly onLoss?: LossSink | undefined
  /** Called with each plan before it is applied. */
  readonly onPlan?: ((plan: Plan) => void) | undefined
}

/** The objects that routes are made of: all Nodes. */
export const wantedByRoutes: Wanted = { Node: {} }

/**
 * Keeps routes, tunnels and masquerade of the calling thread's network namespace like the Nodes until `signal` is aborted,
 * then returns and leaves them: traffic keeps flowing, and the next start takes over what it finds. Nothing is written
 * before the Nodes are fully listed and the own one has a podCIDR. What somebody else removes is put back at once.
 * @throws {SystemCallError} no netlink socket can be had. All that comes later is logged and retried.
 */
export async function runRoutes(options: RoutesOptions, signal: AbortSignal): Promise<void> {
  const { settings, store, clock = systemClock } = options
  using socket = NetlinkSocket.open()
  using writer = await createNftWriter()
  using feed = store.feed(['Node'])
  const runner = new RoutesRunner({
    feed,
    settings,
    kernel: {
      socket,
      masquerader: masqueraderOf(settings.masquerade, writer),
      mtuFile: settings.mtuFile,
    },
    metrics: createRoutesMetrics(options.metrics),
    log: options.log.child({ component: 'routes' }),
    clock,
    backoff: new Backoff({ initialMs: RETRY_INITIAL_MS, maxMs: RETRY_MAX_MS }),
    onStatus: whyNot => options.onStatus?.(whyNot),
    onPlan: plan => options.onPlan?.(plan),
    onLoss: options.onLoss,
  })
  using _watch = watchKernel(
    () => runner.watched,
    () => runner.kernelChanged(),
  )
  await runner.run(signal)
}

/**
 * Removes all that any earlier run left in the kernel, and the offer of an MTU. Idempotent.
 * @throws {NetlinkError} @throws {NftError} @throws {ExecError}
 */
export async function cleanupRoutes(
  { mtuFile = OFFERED_MTU_FILE }: { readonly mtuFile?: string },
  signal: AbortSignal,
): Promise<void> {
  using socket = NetlinkSocket.open()
  await removeRoutes(socket, ipFamilies)
  for (const family of ipFamilies) await removeMasquerade(family, signal)
  await withdrawMtu(mtuFile)
}
