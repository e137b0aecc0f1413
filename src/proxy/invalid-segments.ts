import { readSysctl, SysctlError, sysctlPath } from '#linux/sysctl.ts'
import type { ProxySettings } from './settings.ts'

const LIBERAL = sysctlPath('net', 'netfilter', 'nf_conntrack_tcp_be_liberal')

/**
 * Are forwarded TCP segments to be dropped that conntrack calls INVALID? Not where it takes all segments of a connection for
 * valid, or is about to: it may not be loaded yet, and is told what the configuration says once there are rules. The kernel is asked
 * once, as by kube-proxy.
 */
export function dropsInvalid(
  { tcpBeLiberal = false }: Pick<ProxySettings, 'tcpBeLiberal'>,
  read: (path: string) => string = readSysctl,
): boolean {
  if (tcpBeLiberal) return false
  try {
    return read(LIBERAL) === '0'
  } catch (error) {
    // Conntrack is loaded by the first rule that needs it, and starts out strict.
    if (error instanceof SysctlError) return true
    throw error
  }
}
