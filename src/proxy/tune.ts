import { cpus } from 'node:os'
import { raiseConntrackBuckets } from '#linux/conntrack-buckets.ts'
import { setOomScoreAdj } from '#linux/own-process.ts'
import { ensureSysctl } from '#linux/sysctl.ts'
import { describeError, errnoCode, NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { defaultConfig, type ProxyConfig } from './config/schema.ts'
import { conntrackSettings, type KernelSetting } from './kernel-settings.ts'

/** The kernel does not take what the configuration asks for. */
export class KernelSettingError extends NodeplaneError {
  readonly code = 'ERR_KERNEL_SETTING'
}

/** What {@link tune} needs of the machine. */
export type Machine = {
  readonly cpus: number
  /** @throws the kernel does not take it */
  readonly apply: (target: KernelSetting['target']) => void
  /** @throws the kernel does not take it */
  readonly setOomScoreAdj: (value: number) => void
}

export const thisMachine: Machine = {
  // The node's: availableParallelism() heeds the container's CPU limit, but the table is for all of the node's connections.
  cpus: cpus().length,
  apply(target) {
    if ('buckets' in target) raiseConntrackBuckets(target.buckets)
    else ensureSysctl(target.sysctl, target.value)
  },
  setOomScoreAdj,
}

/**
 * Applies what the configuration says of the process and of conntrack; each failure is logged.
 *
 * kube-proxy ends at any failure. Here only a value that was asked for (other than the default) is worth that: a proxy in a
 * container that may not write a default is still a proxy.
 * @returns settings that the kernel does not know yet, since conntrack is not loaded: to be given to {@link applySettings}
 *   once there are rules.
 * @throws {KernelSettingError} names all that was asked for and failed.
 */
export function tune(
  config: ProxyConfig,
  log: Logger,
  machine: Machine = thisMachine,
): readonly KernelSetting[] {
  try {
    machine.setOomScoreAdj(config.oomScoreAdj)
  } catch (error) {
    const isAsked = config.oomScoreAdj !== defaultConfig().oomScoreAdj
    log[levelOf(isAsked)]({ field: 'oomScoreAdj', reason: describeError(error) }, 'cannot be set')
  }
  const missing: KernelSetting[] = []
  applySettings(conntrackSettings(config, machine.cpus), { log, machine, missing })
  return missing
}

/**
 * Only the conntrack settings, all of them now: what a privileged init container does for a proxy without privileges
 * (`--init-only`).
 * @throws {KernelSettingError} as {@link tune}
 */
export const tuneOnly = (config: ProxyConfig, log: Logger): void =>
  applySettings(conntrackSettings(config, thisMachine.cpus), { log })

/** A container without the right to it loses little by a default that is not set. */
const levelOf = (isAsked: boolean) => (isAsked ? 'warn' : 'info')

type ApplyOptions = {
  readonly log: Logger
  readonly machine?: Machine
  /** Takes the settings that the kernel does not know, instead of a failure. */
  readonly missing?: KernelSetting[]
}

/** @throws {KernelSettingError} as {@link tune} */
export function applySettings(
  settings: readonly KernelSetting[],
  { log, machine = thisMachine, missing }: ApplyOptions,
): void {
  const fatal: string[] = []
  for (const setting of settings) {
    const { field, target } = setting
    try {
      machine.apply(target)
    } catch (error) {
      const isMissing =
        errnoCode(error) === 'ENOENT' || errnoCode((error as Error).cause) === 'ENOENT'
      if (isMissing && missing !== undefined) {
        missing.push(setting)
        continue
      }
      const reason = describeError(error)
      log[levelOf(setting.isAsked)]({ field, target, reason }, 'cannot be set')
      if (setting.isAsked) fatal.push(`${field}: ${reason}`)
    }
  }
  if (fatal.length > 0) throw new KernelSettingError(fatal.join('\n'))
}
