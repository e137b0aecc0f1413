import type { Cause } from '../cause.ts'
import { clientText } from '../describe.ts'

/**
 * A pod asks a Service that it stands behind itself. Where rules see bridged packets, its packet comes back by the port it
 * left by, which a bridge does only with the port's hairpin flag, or by promiscuous mode.
 */
export const hairpinOff: Cause = ({ client, endpoints }) => {
  const host = client.link?.host
  if (host?.bridge === undefined || host.hairpin !== false) return undefined
  if (!host.isBridgeFiltered || host.bridge.isPromiscuous) return undefined
  if (!endpoints.some(({ address }) => client.addresses.includes(address))) return undefined
  const share =
    endpoints.length === 1 ? 'every connection' : `one connection in ${endpoints.length}`
  return {
    cause: 'hairpin-off',
    step: 'route',
    message: `${clientText(client)} is an endpoint of the Service, and port ${host.name} of bridge ${host.bridge.name} has hairpin off: ${share} of it to itself is lost`,
    fix: `bridge link set dev ${host.name} hairpin on; for new pods hairpinMode: true in the bridge plugin's configuration`,
  }
}
