import type { Cause } from '../cause.ts'
import { clientText, endpointText, routeText } from '../describe.ts'
import type { EndpointFacts, RouteFacts } from '../facts.ts'

/** A packet has no way on: in the client's pod, or on this node towards an endpoint. */
export const routeMissing: Cause = ({ client, endpoints, nodeName }) => {
  const { route } = client
  if (route?.kind === 'none') {
    return {
      cause: 'route-missing',
      step: 'client',
      message: `${clientText(client)} has no route to ${route.to}`,
      fix: 'the CNI plugin sets a default route in each pod: make the pod anew, or see what removed it',
    }
  }
  const lost = endpoints.find(isLost)
  if (lost?.route === undefined) return undefined
  const instead = lost.route.kind === 'none' ? '' : `; packets take ${routeText(lost.route)}`
  const owner = lost.nodeName === undefined || lost.isLocal ? '' : `, a pod of ${lost.nodeName}`
  return {
    cause: 'route-missing',
    step: 'route',
    message: `node ${nodeName} has no route to ${endpointText(lost)}${owner}${instead}`,
    fix: lost.isLocal
      ? "see what removed the route to the node's own pods (ip route); the CNI plugin makes it with a pod"
      : "see that the routes part of the agent runs and that the other Node's podCIDR is right: ip route",
  }
}

/** The default route leads out of the cluster, so it does not count for a pod that needs a route of its own. */
const isLost = ({ route, needsRoute }: EndpointFacts): boolean =>
  route !== undefined && (route.kind === 'none' || (needsRoute && isDefault(route)))

const isDefault = ({ kind, prefix }: RouteFacts): boolean =>
  kind === 'unicast' && prefix?.length === 0
