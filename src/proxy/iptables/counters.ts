import type { Iptables } from '#linux/iptables.ts'
import { NfacctCounters } from '#linux/nfacct.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { counted, type PacketCounter, packetCounters } from './counter-match.ts'
import { CANARY } from './fixed.ts'

/**
 * Makes the counters; false where the kernel or iptables cannot count into them, and rules have to do without (as kube-proxy's
 * do). A rule in the canary, which is written anew in any case, shows it.
 */
export async function ensureCounters(iptables: Iptables, signal: AbortSignal): Promise<boolean> {
  try {
    using counters = NfacctCounters.open()
    for (const name of Object.values(packetCounters)) await counters.ensure(name)
    await iptables.restore([renderProbe(`-A ${CANARY} ${counted('invalid')}\n`)], signal)
    await iptables.restore([renderProbe('')], signal)
    return true
  } catch (error) {
    if (error instanceof NodeplaneError) return false
    throw error
  }
}

const renderProbe = (rule: string): string => `*mangle\n:${CANARY} - [0:0]\n${rule}COMMIT\n`

/** What a counter has seen; undefined where there is none. */
export async function packetsOf(counter: PacketCounter): Promise<number | undefined> {
  try {
    using counters = NfacctCounters.open()
    return await counters.packets(packetCounters[counter])
  } catch (error) {
    if (error instanceof NodeplaneError) return undefined
    throw error
  }
}

/** Removes the counters that no rule counts into any more. A kernel without such counters (EINVAL) has none. */
export async function removeCounters(): Promise<void> {
  try {
    using counters = NfacctCounters.open()
    for (const name of Object.values(packetCounters)) await counters.remove(name)
  } catch (error) {
    if (!(error instanceof NodeplaneError)) throw error
  }
}

/** Are there counters, so that rules may count into them? Makes none. */
export const hasCounters = async (): Promise<boolean> => (await packetsOf('invalid')) !== undefined
