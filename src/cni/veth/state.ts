import { listAddresses } from '#linux/netlink/address.ts'
import { findLink } from '#linux/netlink/link.ts'
import { listRoutes } from '#linux/netlink/route.ts'
import { attachmentOf } from '../attachment.ts'
import {
  type MasqueradeBackend,
  type MasqueradeOptions,
  masqueradedAddresses,
} from '../masquerade/apply.ts'
import type { AttachmentRequest } from '../spec/plugin.ts'
import type { VethState } from './compare.ts'
import type { Sides } from './pair.ts'

type StateWish = Pick<MasqueradeOptions, 'signal'> & {
  readonly isMasqueraded: boolean
  /** nftables when not given. */
  readonly backend?: MasqueradeBackend
}

/** What the kernel has of an attachment. @throws {NetlinkError} or {ExecError} */
export async function readVethState(
  request: AttachmentRequest,
  { host, container }: Pick<Sides, 'host' | 'container'>,
  { isMasqueraded, backend = 'nftables', signal }: StateWish,
): Promise<VethState> {
  const containerLink = await findLink(container, request.ifname)
  const peerIndex = containerLink?.peerIndex
  return {
    containerLink,
    hostLink: peerIndex === undefined ? undefined : await findLink(host, peerIndex),
    addresses:
      containerLink === undefined ? [] : await listAddresses(container, containerLink.index),
    routes: [...(await listRoutes(container, 4)), ...(await listRoutes(container, 6))],
    masqueraded: isMasqueraded
      ? await masqueradedAddresses(attachmentOf(request), { backend, signal })
      : [],
  }
}
