import { podNameFrom } from '#cni/pods/pod-attachment.ts'
import type { KnownAttachment } from '#cni/serving.ts'
import type { AttachmentView } from './types.ts'

/** What ADDs have begun and no DEL has ended. */
export const attachmentsView = (known: readonly KnownAttachment[]): readonly AttachmentView[] =>
  known.map(({ entry: { network, containerId, ifname, netns, calls }, isGone }) => {
    const pod = podNameFrom(calls[0]?.env['CNI_ARGS'] ?? '')
    const name = pod && { pod: `${pod.namespace}/${pod.name}` }
    return { network, containerId, interface: ifname, netns, ...name, isGone }
  })
