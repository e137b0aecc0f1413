import type { ServicePortState } from './change-tracker.ts'

/** Service ports by the key of their Service, each Service once; read once, so that they need not all exist at a time. */
export type ServiceStates = Iterable<readonly [string, readonly ServicePortState[]]>

/** Programs one kernel mechanism for one IP family. Calls never overlap. */
export interface Backend {
  readonly name: 'iptables' | 'ipvs' | 'nftables'
  /**
   * Makes the kernel hold these Services and nothing else, whatever it holds now; what is right is left alone.
   * The first call of a run, and the one after any failure.
   */
  replace(all: ServiceStates, signal: AbortSignal): Promise<void>
  /**
   * These Services changed since the last call; one without ports is gone. Costs as much as the change. After it failed
   * the kernel holds the former or the new state, and only {@link replace} may follow.
   */
  update(changed: ServiceStates, signal: AbortSignal): Promise<void>
}
