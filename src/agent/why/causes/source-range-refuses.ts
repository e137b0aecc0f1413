import { formatPrefix, prefixContains } from '#net/prefix.ts'
import type { Cause } from '../cause.ts'
import { clientText } from '../describe.ts'

/** The load balancer's address lets only some sources through, and the client is none of them. */
export const sourceRangeRefuses: Cause = ({ service, client }) => {
  if (service?.reached?.by !== 'load-balancer' || service.state === undefined) return undefined
  const { sourceRanges, loadBalancerVIPs } = service.state
  const sources = client.addresses.filter(
    ip => service.reached?.family === (ip.includes(':') ? 6 : 4),
  )
  if (sourceRanges.length === 0 || sources.length === 0) return undefined
  const isAllowed = sources.some(
    ip => loadBalancerVIPs.includes(ip) || sourceRanges.some(range => prefixContains(range, ip)),
  )
  if (isAllowed) return undefined
  return {
    cause: 'source-range-refuses',
    step: 'address',
    message: `${service.reached.address} lets only ${sourceRanges.map(formatPrefix).join(', ')} through; ${clientText(client)} comes from ${sources.join(', ')}`,
    fix: `add the client to loadBalancerSourceRanges of ${service.key}, or use the cluster IP`,
  }
}
