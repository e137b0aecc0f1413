import type { StoreReader } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import { NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import type { BackendModule, BackendOptions, Difference, ServiceStates } from './backend.ts'
import { loadBackend } from './backends.ts'
import { ChangeTracker } from './change-tracker.ts'
import { createProxyMetrics } from './metrics.ts'
import { ServiceCIDRs } from './service-cidrs.ts'
import type { ProxyMode, ProxySettings } from './settings.ts'

/** The mode has no words for what it writes. */
class InspectError extends NodeplaneError {
  readonly code = 'ERR_INSPECT'
  constructor(mode: ProxyMode) {
    super(`mode ${mode} cannot be inspected`)
  }
}

export type InspectOptions = {
  readonly store: StoreReader
  readonly settings: ProxySettings
  readonly log: Logger
}

/**
 * What a proxy with these settings would write, line by line, for people; writes nothing. Waits until Services and slices
 * are fully listed.
 * @throws {NodeplaneError} the mode cannot say.
 */
export async function* describeRules(
  options: InspectOptions,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { settings } = options
  const { mode = 'nftables' } = settings
  const module = await loadBackend(mode)
  for (const family of settings.families) {
    if (module.describe === undefined) throw new InspectError(mode)
    const states = await statesOf(options, family, signal)
    yield* module.describe(backendOptions(options, family), states)
  }
}

/**
 * How the kernel differs from what a proxy with these settings would have written, family by family; writes nothing.
 * @throws {NodeplaneError} the mode cannot say, or the kernel could not be read.
 */
export async function diffRules(
  options: InspectOptions,
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  const { settings } = options
  const { mode = 'nftables' } = settings
  const module: BackendModule = await loadBackend(mode)
  const differences: Difference[] = []
  for (const family of settings.families) {
    if (module.diff === undefined) throw new InspectError(mode)
    const states = await statesOf(options, family, signal)
    differences.push(...(await module.diff(backendOptions(options, family), states, signal)))
  }
  return differences
}

/** `+` is missing, `-` too much, and a change is both. */
export const renderDifferences = (differences: readonly Difference[]): string =>
  differences
    .flatMap(({ place, wanted, found }) => [
      ...(found === undefined ? [] : [`- ${place}: ${found}\n`]),
      ...(wanted === undefined ? [] : [`+ ${place}: ${wanted}\n`]),
    ])
    .join('')

/** All Services in the order of their names, so that equal clusters give equal texts. */
async function statesOf(
  { store, settings }: InspectOptions,
  family: IpFamily,
  signal: AbortSignal,
): Promise<ServiceStates> {
  const tracker = new ChangeTracker(family, settings, settings)
  // Only this mode looks at ServiceCIDRs; others do not ask for them, and would wait for ever.
  const ranges = (settings.mode ?? 'nftables') === 'nftables' ? (['ServiceCIDR'] as const) : []
  using feed = store.feed(['Service', 'EndpointSlice', ...ranges])
  for (;;) {
    const batch = await feed.next(signal)
    for (const change of batch?.changes ?? []) tracker.apply(change)
    if (batch?.synced) break
  }
  return [...tracker.services()].sort().map(key => [key, tracker.stateOf(key)] as const)
}

function backendOptions(
  { store, settings, log }: InspectOptions,
  family: IpFamily,
): BackendOptions {
  const { mode = 'nftables' } = settings
  const metrics = createProxyMetrics(createMetrics(), mode)(family)
  const serviceCIDRs = new ServiceCIDRs(store)
  return {
    family,
    settings,
    metrics,
    log,
    clock: systemClock,
    serviceCIDRs: () => serviceCIDRs.of(family),
  }
}
