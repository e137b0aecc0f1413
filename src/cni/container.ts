import { NamespaceError, NetworkNamespace } from '#linux/namespace.ts'
import { CniError, cniCodes } from './spec/error.ts'
import type { AttachmentRequest } from './spec/plugin.ts'

/**
 * The container's network namespace, for ADD and CHECK.
 * @throws {CniError} code 8: the path leads to no network namespace, or to the host's own and CNI_NETNS_OVERRIDE is not
 * set. (The reference plugins find the latter out when they have damaged the host.)
 */
export function openContainer({ netns, netnsOverride }: AttachmentRequest): NetworkNamespace {
  let container: NetworkNamespace
  try {
    container = NetworkNamespace.open(netns)
  } catch (cause) {
    if (!(cause instanceof NamespaceError)) throw cause
    throw new CniError(cniCodes.invalidNamespace, 'CNI_NETNS', { cause })
  }
  if (netnsOverride || !isHost(container)) return container
  container[Symbol.dispose]()
  throw new CniError(
    cniCodes.invalidNamespace,
    `CNI_NETNS ${netns} is the host's own network namespace; CNI_NETNS_OVERRIDE=1 would allow it`,
  )
}

/**
 * The container's network namespace, for DEL; undefined when it is gone: no path, nothing there, or the ordinary file
 * that a reboot leaves. The host's own is as good as gone: nothing in it may be touched, and an error would be repeated
 * by the runtime for ever.
 */
export function findContainer({
  netns,
  netnsOverride,
}: AttachmentRequest): NetworkNamespace | undefined {
  if (netns === '') return undefined
  try {
    const container = NetworkNamespace.open(netns)
    if (netnsOverride || !isHost(container)) return container
    container[Symbol.dispose]()
    return undefined
  } catch (error) {
    if (error instanceof NamespaceError) return undefined
    throw error
  }
}

function isHost(container: NetworkNamespace): boolean {
  using host = NetworkNamespace.own()
  return container.isSame(host)
}
