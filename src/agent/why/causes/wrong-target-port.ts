import type { Cause } from '../cause.ts'
import { endpointText, portText } from '../describe.ts'
import { isAnswered, portsElsewhere } from '../listening.ts'

/** The pod listens, but on another port than the Service sends to. */
export const wrongTargetPort: Cause = ({ endpoints, service }) => {
  if (service?.port === undefined) return undefined
  for (const endpoint of endpoints) {
    if (isAnswered(endpoint) !== false) continue
    const others = portsElsewhere(endpoint, service)
    if (others.length === 0) continue
    const { targetPort, port } = service.port
    return {
      cause: 'wrong-target-port',
      step: 'pod',
      message: `${portText(service)} sends to ${endpointText(endpoint)}, but the pod listens on ${others.join(', ')}`,
      fix: `set targetPort (now ${targetPort ?? port}) to the port that the pod listens on`,
    }
  }
  return undefined
}
