import { readSysctl, SysctlError } from '#linux/sysctl.ts'
import type { IpFamily } from '#net/ip.ts'

/** The families that the kernel serves: IPv4, and IPv6 unless it is absent or switched off for all interfaces. */
export function usableFamilies(): readonly IpFamily[] {
  try {
    return readSysctl('net/ipv6/conf/all/disable_ipv6') === '1' ? [4] : [4, 6]
  } catch (error) {
    if (error instanceof SysctlError) return [4]
    throw error
  }
}
