import type { IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { ServicePortState } from './change-tracker.ts'
import type { FamilyMetrics } from './metrics.ts'
import type { ProxyMode, ProxySettings } from './settings.ts'

/** Service ports by the key of their Service, each Service once; read once, so that they need not all exist at a time. */
export type ServiceStates = Iterable<readonly [string, readonly ServicePortState[]]>

/** Programs one kernel mechanism for one IP family. {@link replace} and {@link update} never overlap. */
export interface Backend extends AsyncDisposable {
  readonly name: ProxyMode
  /**
   * Makes the kernel hold these Services and nothing else, whatever it holds now; what is right is left alone.
   * The first call of a run, and the one after any failure.
   */
  replace(all: ServiceStates, signal: AbortSignal): Promise<void>
  /**
   * These Services changed since the last call; one without ports is gone. Costs as much as the change. After it failed
   * the kernel holds the former or the new state, and only {@link replace} may follow. Without Services it takes in what
   * else its options give.
   */
  update(changed: ServiceStates, signal: AbortSignal): Promise<void>
  /**
   * Watches for changes that others make to what this backend made, until the signal is aborted; calls `lost` with what
   * was seen, upon which {@link replace} follows. It runs beside the other calls, and never fails.
   */
  guard?(lost: (reason: string) => void, signal: AbortSignal): Promise<void>
  /**
   * What went through each service port that has rules, by its key (see `servicePortKey`). Empty before the first sync. Not
   * there: the mode does not count.
   * @throws {NodeplaneError} the kernel could not be read.
   */
  serviceCounters?(signal: AbortSignal): Promise<ReadonlyMap<string, ServiceTraffic>>
}

/** What went through a service port since its rules were made; a destination that changes hands starts anew. */
export type ServiceTraffic = {
  /** Connections that were given an endpoint or refused. */
  readonly connections: number
  /** Of connections with an endpoint, in both directions; with the headers of IP. */
  readonly packets: number
  readonly bytes: number
}

/** What every backend is made with. */
export type BackendOptions = {
  readonly family: IpFamily
  readonly settings: ProxySettings
  readonly metrics: FamilyMetrics
  readonly log: Logger
  readonly clock: Clock
  /** The ranges of the family that cluster IPs are given out of, as they are now (its ServiceCIDRs). */
  readonly serviceCIDRs: () => readonly IpPrefix[]
}

/** Of what a backend is made with, what is known without a cluster. */
export type PrepareKernelOptions = Pick<BackendOptions, 'family' | 'settings' | 'log'>

/** A kernel mechanism: how to program it, and how to remove everything of it. */
export type BackendModule = {
  /**
   * Sets the sysctls that the mode needs, each only where another value is set: all for which {@link open} would need a
   * /proc/sys that can be written, so that who cannot write there can run it afterwards (`--init-only`).
   * @throws {NodeplaneError} the mode cannot do without what could not be set.
   */
  prepareKernel(options: PrepareKernelOptions): Promise<void>
  /** @throws {NodeplaneError} the machine cannot do it: a program or a kernel feature is missing. */
  open(options: BackendOptions): Promise<Backend>
  /** Do node ports answer on all loopback addresses of a family? Not there: they never do. */
  hasLocalhostNodePorts?(settings: ProxySettings, family: IpFamily): boolean
  /**
   * Removes what any earlier run of ours, or of kube-proxy in this mode, left; both families. What is not there, and
   * programs that are not there, are no error. Established connections live on.
   * @throws {NodeplaneError} something is still there.
   */
  cleanup(options: CleanupOptions, signal: AbortSignal): Promise<void>
  /**
   * Removes what {@link cleanup} left to connections that need it, as they end. For when another mode is in use; returns when
   * all is gone, or the signal is aborted.
   * @throws {NodeplaneError} something is still there.
   */
  drain?(signal: AbortSignal): Promise<void>
  /**
   * What a family's kernel would hold for these Services, for people: a line each, `# …` before what they explain.
   * Writes nothing; of the machine it reads no more than its addresses.
   */
  describe?(
    options: BackendOptions,
    states: ServiceStates,
  ): Iterable<string> | AsyncIterable<string>
  /**
   * How the kernel differs from what it should hold for these Services; empty when all is right. Writes nothing.
   * @throws {NodeplaneError} the kernel could not be read.
   */
  diff?(
    options: BackendOptions,
    states: ServiceStates,
    signal: AbortSignal,
  ): Promise<readonly Difference[]>
}

/** One thing in which the kernel differs: `wanted` undefined = too much, `found` undefined = missing. */
export type Difference = {
  /** Table and chain, map or virtual server, in the mechanism's own words: `ip nodeplane vips`. */
  readonly place: string
  readonly wanted: string | undefined
  readonly found: string | undefined
}

export type CleanupOptions = {
  readonly log: Logger
  /**
   * The mode that programs the kernel now: what it has in common with this one (iptables and IPVS share names of chains)
   * stays. Not given: no mode does.
   */
  readonly inUse?: ProxyMode | undefined
  /** Only kube-proxy's: ours may be in use (see {@link ProxySettings.tableName}). */
  readonly foreignOnly?: boolean
}
