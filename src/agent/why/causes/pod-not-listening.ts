import { isLoopback } from '#net/ip.ts'
import type { Cause } from '../cause.ts'
import { endpointText } from '../describe.ts'
import type { EndpointFacts } from '../facts.ts'
import { isAnswered, portsElsewhere } from '../listening.ts'

/** Nothing in the pod takes connections on the port, or only those of the pod itself. */
export const podNotListening: Cause = ({ endpoints, service }) => {
  if (service === undefined) return undefined
  const deaf = endpoints.find(
    endpoint => isAnswered(endpoint) === false && portsElsewhere(endpoint, service).length === 0,
  )
  if (deaf === undefined) return undefined
  const isAlone = onLoopback(deaf)
  return {
    cause: 'pod-not-listening',
    step: 'pod',
    message: isAlone
      ? `the pod of ${endpointText(deaf)} listens on loopback only`
      : `nothing listens at ${endpointText(deaf)}`,
    fix: isAlone
      ? 'let the program listen on 0.0.0.0 or [::]'
      : 'see that the program in the pod runs and which port it opens; a readiness probe would have told',
  }
}

const onLoopback = ({ listening = [], port }: EndpointFacts): boolean =>
  listening.some(socket => socket.port === port && isLoopback(socket.address))
