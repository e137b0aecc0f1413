import type { Wanted } from '#cluster/source.ts'
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
  const { settings, metrics, store, backends = builtIn } = options
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
        if (!signal.aborted) await takeOver(mode, { ...backends, log }, signal)
      },
    ],
    signal,
  )
}

/** A failure leaves rules that do what ours do, so it is only told. */
async function takeOver(mode: ProxyMode, modes: Modes, signal: AbortSignal): Promise<void> {
  const leftovers = leftoversBeside(mode, modes.modes)
  for (const step of [removeLeftovers, drainLeftovers]) {
    try {
      await step(leftovers, modes, signal)
    } catch (error) {
      if (!signal.aborted) modes.log.error({ reason: describeError(error) }, 'clean-up failed')
    }
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
