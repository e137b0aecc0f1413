import { describeError, NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { BackendModule, CleanupOptions } from './backend.ts'
import type { ProxyMode } from './settings.ts'

/** Rules of some modes are still there. */
export class CleanupError extends NodeplaneError {
  readonly code = 'ERR_CLEANUP'
}

export type Modes = {
  readonly modes: readonly ProxyMode[]
  readonly load: (mode: ProxyMode) => Promise<BackendModule>
  readonly log: Logger
}

/** What may lie around of a mode, and which part of it has to go. */
export type Leftover = Pick<CleanupOptions, 'inUse' | 'foreignOnly'> & { readonly mode: ProxyMode }

/**
 * What has to go when `inUse` programs the kernel, in the order of the modes: everything of the other modes, and of this
 * one what kube-proxy left: in mode nftables its tables, in mode iptables what lies in the other flavour of iptables. All
 * else has the names of ours, and was made ours.
 *
 * kube-proxy leaves modes iptables and ipvs to each other, and cleans up before its own work, which leaves a gap.
 */
export function leftoversBeside(
  inUse: ProxyMode,
  modes: readonly ProxyMode[],
): readonly Leftover[] {
  return modes.flatMap((mode): readonly Leftover[] => {
    if (mode !== inUse) return [{ mode, inUse }]
    return mode === 'ipvs' ? [] : [{ mode, inUse, foreignOnly: true }]
  })
}

/**
 * Removes leftovers, mode by mode; what fails does not keep the others.
 * @throws {CleanupError} failures each mode that is not clean, with the reason.
 */
export async function removeLeftovers(
  leftovers: readonly Leftover[],
  { load, log }: Pick<Modes, 'load' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const failures: string[] = []
  for (const { mode, ...options } of leftovers) {
    try {
      await (await load(mode)).cleanup({ log, ...options }, signal)
    } catch (error) {
      if (signal.aborted) throw error
      failures.push(`${mode}: ${describeError(error)}`)
    }
  }
  if (failures.length > 0) throw new CleanupError(`rules are left over: ${failures.join('; ')}`)
}

/**
 * Removes what connections still need of the modes that are not in use, as they end: that takes as long as they live.
 * @throws {NodeplaneError} something is still there.
 */
export async function drainLeftovers(
  leftovers: readonly Leftover[],
  { load }: Pick<Modes, 'load'>,
  signal: AbortSignal,
): Promise<void> {
  for (const { mode, inUse } of leftovers) {
    if (inUse !== undefined && inUse !== mode) await (await load(mode)).drain?.(signal)
  }
}
