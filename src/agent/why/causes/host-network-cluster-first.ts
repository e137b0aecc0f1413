import { keyOf } from '#cluster/objects.ts'
import type { Cause } from '../cause.ts'
import { isFound } from '../names.ts'

/** The kubelet gives a pod on the host network the node's resolver, which does not know the cluster's names. */
export const hostNetworkClusterFirst: Cause = ({ client: { pod }, name }) => {
  if (!pod?.hostNetwork || pod.dnsPolicy !== 'ClusterFirst') return undefined
  if (name?.meant === undefined || isFound(name)) return undefined
  return {
    cause: 'host-network-cluster-first',
    step: 'client',
    message: `pod ${keyOf(pod)} is on the host network with dnsPolicy ClusterFirst, so it asks the node's resolver ${name.resolver.servers.join(', ')}, which does not know ${name.asked}`,
    fix: 'set dnsPolicy: ClusterFirstWithHostNet in the pod',
  }
}
