import { count } from '../../status/words.ts'
import type { Cause } from '../cause.ts'
import { portText } from '../describe.ts'

/** Policy Local, with endpoints on other nodes only: what comes in here is dropped. */
export const localPolicyNoLocalPod: Cause = ({ service, client, nodeName }) => {
  const { state, reached } = service ?? {}
  if (service === undefined || state === undefined || reached === undefined) return undefined
  const policy = reached.by === 'cluster-ip' ? 'internalTrafficPolicy' : 'externalTrafficPolicy'
  const isLocalOnly =
    reached.by === 'cluster-ip'
      ? state.internalPolicyLocal
      : // Pods and the node itself are let through to all endpoints.
        state.externalPolicyLocal && client.kind === 'outside'
  if (!isLocalOnly || state.endpoints.local.length > 0 || !state.endpoints.hasAny) return undefined
  const elsewhere = state.allEndpoints.filter(({ ready }) => ready)
  const nodes = new Set(elsewhere.map(endpoint => endpoint.nodeName ?? 'a node that is not named'))
  return {
    cause: 'local-policy-no-local-pod',
    step: 'endpoint',
    message: `${policy} of ${service.key} is Local and node ${nodeName} has no ready pod of ${portText(service)}; ${count(elsewhere.length, 'endpoint')} on ${[...nodes].join(', ')}`,
    fix: `set ${policy}: Cluster, or run a pod on every node that clients use (a DaemonSet)`,
  }
}
