import type { Wanted } from '#cluster/source.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { ProxySettings } from './settings.ts'

/** One family's rules hold everything that the store had at this revision. */
export type Programmed = { readonly family: IpFamily; readonly revision: number }

export type ProxyOptions = {
  /** Fed with at least {@link wantedByProxy}; more does not matter, the proxy ignores what is not for it. */
  readonly store: StoreReader
  readonly settings: ProxySettings
  readonly log: Logger
  /** The proxy registers kube-proxy's metrics here. */
  readonly metrics: Metrics
  /** The machine's clock when not given. */
  readonly clock?: Clock | undefined
  /** Called after each successful sync of a family. */
  readonly onProgrammed?: ((programmed: Programmed) => void) | undefined
}

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
 * retried, each family on its own.
 */
export async function runProxy(_options: ProxyOptions, _signal: AbortSignal): Promise<void> {
  throw new Error('not there yet')
}

/**
 * Removes all rules that any earlier run installed. Idempotent; established connections live on.
 * @throws {NftError} the kernel refused
 */
export async function cleanupProxy(
  _settings: Pick<ProxySettings, 'tableName'>,
  _signal: AbortSignal,
): Promise<void> {
  throw new Error('not there yet')
}
