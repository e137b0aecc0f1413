import { ensureSysctl, interfaceSysctl, readSysctl, SysctlError } from '#linux/sysctl.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'

/** Connections of 127.0.0.1 may leave by other links; what comes in to it by them is the rules' to drop. */
const ROUTE_LOCALNET = interfaceSysctl('ipv4', 'all', 'route_localnet')

/** For people who read rules that need it. */
export const LOCALHOST_NOTE =
  '# with net.ipv4.conf.all.route_localnet=1, so that node ports answer on 127.0.0.0/8'

/**
 * Lets packets from 127.0.0.0/8 leave for endpoints, and says whether they may. kube-proxy ends when it cannot; we serve all
 * other addresses.
 */
export function routeLocalhost(log: Logger): boolean {
  try {
    if (ensureSysctl(ROUTE_LOCALNET, '1')) {
      log.info('set route_localnet so that node ports answer on localhost')
    }
    return true
  } catch (error) {
    if (!(error instanceof SysctlError)) throw error
    log.warn({ reason: describeError(error) }, 'node ports will not answer on localhost')
    return false
  }
}

/** What {@link routeLocalhost} has said to the proxy that runs here, as far as the kernel tells. Writes nothing. */
export function isLocalhostRouted(): boolean {
  try {
    return readSysctl(ROUTE_LOCALNET) === '1'
  } catch (error) {
    if (error instanceof SysctlError) return false
    throw error
  }
}
