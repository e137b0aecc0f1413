import type { Wanted } from '#cluster/source.ts'
import { Backoff } from '#runtime/backoff.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { type Part, runTogether, untilAborted } from '#runtime/run-together.ts'
import { loadBackend, proxyModes } from './backends.ts'
import { runFamily } from './family.ts'
import { createProxyMetrics } from './metrics.ts'
import type { Programmed, ProxyOptions } from './options.ts'
import { OwnPlace } from './place.ts'
import { ServiceCIDRs } from './service-cidrs.ts'
import { warnOfServices } from './service-warnings.ts'
import type { ProxyMode } from './settings.ts'
import { drainLeftovers, leftoversBeside, type Modes, removeLeftovers } from './switching.ts'

/** The objects a proxy needs, by the selectors kube-proxy sends. */
export const wantedByProxy: Wanted = {
  Service: {
    labelSelector: '!service.kubernetes.io/service-proxy-name',
    fieldSelector: 'spec.clusterIP!=None',
  },
  EndpointSlice: { labelSelector: '!service.kubernetes.io/headless' },
}

/**
 * Keeps the kernel's Service rules like the store until `signal` is aborted, then returns and leaves the rules: traffic
 * keeps flowing. Nothing is written before Services and EndpointSlices are fully listed. Failures are logged and
 * retried, each family on its own. When the first rules of all families are there, what other modes and kube-proxy left is
 * removed.
 */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const { settings, metrics, store, backends = builtIn, clock = systemClock } = options
  const { mode = 'nftables' } = settings
  const log = options.log.child({ component: 'proxy' })
  const place = new OwnPlace(settings)
  const metricsOf = createProxyMetrics(metrics, mode)
  const serviceCIDRs = new ServiceCIDRs(store)
  const module = await backends.load(mode)
  const missing = new Set(settings.families)
  const programmed = Promise.withResolvers<void>()
  const onProgrammed = (done: Programmed) => {
    missing.delete(done.family)
    if (missing.size === 0) programmed.resolve()
    options.onProgrammed?.(done)
  }
  const families = settings.families.map((family): Part => {
    const own = { ...options, family, place, serviceCIDRs, module, onProgrammed }
    return signal => runFamily({ ...own, metrics: metricsOf(family) }, signal)
  })
  await runTogether(
    [
      ...families,
      signal => place.follow(store, signal),
      signal => serviceCIDRs.follow(signal),
      signal => warnOfServices({ store, log }, signal),
      async signal => {
        await Promise.race([programmed.promise, untilAborted(signal)])
        if (!signal.aborted) await takeOver(mode, { ...backends, log, clock }, signal)
      },
    ],
    signal,
  )
}

/** Waits after a failure to drain. */
const DRAIN_RETRY = { initialMs: 1_000, maxMs: 60_000 }

/**
 * What the clean-up leaves does what ours does, so its failure is only told. What was to drain refuses connections: until it
 * is gone it is tried again.
 */
async function takeOver(
  mode: ProxyMode,
  { clock, ...modes }: Modes & { readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const leftovers = leftoversBeside(mode, modes.modes)
  const tell = (error: unknown) => {
    if (!signal.aborted) modes.log.error({ reason: describeError(error) }, 'clean-up failed')
  }
  await removeLeftovers(leftovers, modes, signal).catch(tell)
  const backoff = new Backoff(DRAIN_RETRY)
  for (let told = ''; !signal.aborted; ) {
    try {
      return await drainLeftovers(leftovers, modes, signal)
    } catch (error) {
      if (describeError(error) !== told) tell(error)
      told = describeError(error)
    }
    await clock.sleep(backoff.next(), signal)
  }
}

const builtIn: Omit<Modes, 'log'> = { modes: proxyModes, load: loadBackend }

/**
 * Removes all rules that any earlier run installed, and kube-proxy's, in every mode. Idempotent; established connections
 * live on.
 * @throws {CleanupError} names the modes that could not be removed; the others are removed all the same.
 */
export async function cleanupProxy(log: Logger, signal: AbortSignal): Promise<void> {
  const everything = proxyModes.map(mode => ({ mode }))
  await removeLeftovers(everything, { load: loadBackend, log }, signal)
}
