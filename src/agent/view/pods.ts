import type { PodAttachment } from '#cni/pods/pod-attachment.ts'
import type { PodView } from './types.ts'

/** The interfaces that CNI calls have made. */
export const podsView = (attachments: Iterable<PodAttachment>): readonly PodView[] =>
  Array.from(
    attachments,
    ({ pod, containerId, ifname, network, netns, addresses, hostInterface }) => ({
      ...(pod === undefined ? {} : { pod: `${pod.namespace}/${pod.name}` }),
      containerId,
      interface: ifname,
      network,
      netns,
      addresses,
      hostInterface,
    }),
  )
