import { isLoopback } from '#net/ip.ts'
import { formatPrefix, prefixContains } from '#net/prefix.ts'
import type { Cause } from '../cause.ts'

/** Node ports answer on the addresses that nodePortAddresses selects, and this is not one of them. */
export const nodePortAddressNotSelected: Cause = ({ service }) => {
  const reached = service?.reached
  if (reached?.by !== 'node-port') return undefined
  const { address, port, family, hasLoopback } = reached
  const prefixes = reached.nodePortAddresses.filter(prefix => prefix.family === family)
  const isSelected = isLoopback(address)
    ? hasLoopback
    : prefixes.length === 0 || prefixes.some(prefix => prefixContains(prefix, address))
  if (isSelected) return undefined
  const selected = prefixes.map(formatPrefix).join(', ') || 'all addresses but loopback'
  return {
    cause: 'node-port-address-not-selected',
    step: 'address',
    message: `node port ${port} does not answer on ${address}: nodePortAddresses selects ${selected}`,
    fix: "use an address that is selected, or add this one to the proxy's nodePortAddresses",
  }
}
