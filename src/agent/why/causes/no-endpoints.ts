import type { Cause } from '../cause.ts'
import { endpointsIn, isHeadless } from '../service.ts'

/** No pod stands behind the Service. */
export const noEndpoints: Cause = ({ service }) => {
  if (service?.service === undefined || isHeadless(service.service)) return undefined
  if (service.service.type === 'ExternalName' || endpointsIn(service.slices).length > 0)
    return undefined
  const { selector, metadata } = service.service
  const labels = Object.entries(selector ?? {}).map(([key, value]) => `${key}=${value}`)
  const why =
    labels.length === 0
      ? 'it has no selector, and no EndpointSlice names it'
      : service.pods === undefined || service.pods.length > 0
        ? `of the pods with ${labels.join(',')} none has an address`
        : `no pod of namespace ${metadata.namespace} has the labels ${labels.join(',')}`
  // Endpoints of the other family may well be there.
  const family = service.reached?.family === 6 ? 'IPv6 ' : ''
  return {
    cause: 'no-endpoints',
    step: 'endpoint',
    message: `Service ${service.key} has no ${family}endpoints: ${why}`,
    fix:
      labels.length === 0
        ? `add a selector, or an EndpointSlice with the label kubernetes.io/service-name=${metadata.name}`
        : `compare kubectl -n ${metadata.namespace} get pods --show-labels with the selector`,
  }
}
