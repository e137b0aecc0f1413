import { IptablesError, openIptables } from '#linux/iptables.ts'
import { readSysctl, SysctlError } from '#linux/sysctl.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { proxyModes } from '../backends.ts'
import type { ProxyMode } from '../settings.ts'
import { effectiveMode } from './mode.ts'
import type { ProxyConfig } from './schema.ts'

/** Families that cannot be served, and why. */
export type FamilyFaults = ReadonlyMap<IpFamily, string>

/** The families that the kernel serves: IPv4, and IPv6 unless it is absent or switched off for all interfaces. */
export function usableFamilies(): readonly IpFamily[] {
  const faults = kernelFaults()
  return ipFamilies.filter(family => !faults.has(family))
}

const DISABLE_IPV6 = 'net/ipv6/conf/all/disable_ipv6'

/** What the kernel does not serve. Costs no more than reading a sysctl. */
export function kernelFaults(): FamilyFaults {
  try {
    if (readSysctl(DISABLE_IPV6) !== '1') return new Map()
    return new Map([[6, `IPv6 is switched off in the kernel (sysctl ${DISABLE_IPV6})`]])
  } catch (error) {
    if (error instanceof SysctlError) return new Map([[6, 'the kernel has no IPv6']])
    throw error
  }
}

/** The modes that write rules by the programs of iptables, which are a family's own. */
const needsIptables: ReadonlySet<ProxyMode> = new Set(['iptables', 'ipvs'])

/**
 * What cannot be programmed in the mode of this configuration: besides what the kernel does not serve, a family whose
 * iptables does not work.
 */
export async function programmingFaults(
  config: Pick<ProxyConfig, 'mode'>,
  signal: AbortSignal,
): Promise<FamilyFaults> {
  const faults = new Map(kernelFaults())
  if (!needsIptables.has(effectiveMode(config, proxyModes))) return faults
  for (const family of ipFamilies.filter(family => !faults.has(family))) {
    try {
      await (await openIptables(family)).probe(signal)
    } catch (error) {
      // A program that was stopped is no fault.
      signal.throwIfAborted()
      if (!(error instanceof IptablesError)) throw error
      faults.set(family, describeError(error))
    }
  }
  return faults
}
