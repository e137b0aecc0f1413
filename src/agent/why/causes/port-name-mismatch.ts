import type { Cause } from '../cause.ts'
import { portText } from '../describe.ts'
import { endpointsIn, portsNamed } from '../service.ts'

/** There are endpoints, but none has a port by the name that the Service's port has, or that its targetPort says. */
export const portNameMismatch: Cause = ({ service }) => {
  if (service?.service === undefined || service.port === undefined) return undefined
  const { slices, port, pods = [] } = service
  if (endpointsIn(slices).length === 0 || portsNamed(slices, port).length > 0) return undefined
  const text = portText(service)
  if (typeof port.targetPort === 'string') {
    const names = new Set(pods.flatMap(pod => pod.containerPorts.map(({ name }) => name)))
    names.delete('')
    return {
      cause: 'port-name-mismatch',
      step: 'endpoint',
      message: `targetPort '${port.targetPort}' of ${text} is the name of no container port of its pods${names.size === 0 ? '' : `; they have ${[...names].join(', ')}`}`,
      fix: "name the container's port so, or make targetPort its number",
    }
  }
  const names = new Set(slices.flatMap(slice => slice.ports.map(({ name }) => `'${name ?? ''}'`)))
  return {
    cause: 'port-name-mismatch',
    step: 'endpoint',
    message: `no endpoint has a port by the name '${port.name}' of ${text}; the slices have ${[...names].join(', ') || 'no ports'}`,
    fix: 'give the port of the EndpointSlice the name of the port of the Service',
  }
}
