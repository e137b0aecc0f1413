import { familyOf, isLoopback } from '#net/ip.ts'
import type { EndpointFacts, Listening, ServiceFacts } from './facts.ts'

/** Does somebody take connections at the endpoint? undefined: that could not be seen. */
export function isAnswered({
  listening,
  probe,
  address,
  port,
}: EndpointFacts): boolean | undefined {
  if (listening !== undefined) {
    return listening.some(socket => socket.port === port && takes(socket, address))
  }
  return probe === 'accepted' ? true : probe === 'refused' ? false : undefined
}

/** A socket on `::` takes IPv4 as well, unless its program says otherwise, which cannot be seen. */
const takes = (socket: Listening, address: EndpointFacts['address']): boolean =>
  socket.address === address ||
  socket.address === '::' ||
  (socket.address === '0.0.0.0' && familyOf(address) === 4) ||
  socket.address === `::ffff:${address}`

/** Other ports at which the pod can be reached: seen there, or else declared by the pod. */
export function portsElsewhere(
  { listening, port, address }: EndpointFacts,
  { pods, port: servicePort }: ServiceFacts,
): readonly number[] {
  if (listening !== undefined) {
    const open = listening.filter(socket => !isLoopback(socket.address) && takes(socket, address))
    return sorted(open.map(socket => socket.port).filter(each => each !== port))
  }
  const pod = pods?.find(({ podIPs }) => podIPs.includes(address))
  const declared = (pod?.containerPorts ?? [])
    .filter(({ protocol }) => protocol === servicePort?.protocol)
    .map(({ containerPort }) => containerPort)
  return declared.includes(port) ? [] : sorted(declared)
}

const sorted = (ports: readonly number[]): readonly number[] =>
  [...new Set(ports)].sort((a, b) => a - b)
