import { type Attachment, attachmentHash, networkHash } from '../attachment.ts'

/**
 * The name of the attachment's link on the host: `veth` and 44 bits of a hash, which fill the 15 bytes a name can have.
 * The reference plugins choose it by chance; derived, it is found again without namespace or result, so what a killed
 * ADD left can be attributed.
 */
export const hostLinkName = (attachment: Attachment): string =>
  `veth${attachmentHash(attachment).slice(0, 11)}`

/** Longest alias of a link, in bytes: IFALIASZ − 1 (linux/if.h). */
const MAX_ALIAS_BYTES = 255

/**
 * The alias of that link: the network's mark, by which GC finds it, and who it belongs to, for people. Cut where it is
 * too long.
 */
export function hostLinkAlias({ network, containerId, ifname }: Attachment): string {
  const alias = `${hostLinkMark(network)} ${network} ${containerId} ${ifname}`
  return Buffer.from(alias)
    .subarray(0, MAX_ALIAS_BYTES)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
}

/** How the aliases of all links of a network begin. */
export const hostLinkMark = (network: string): string => `${HOST_LINK_MARK}${networkHash(network)}`

/** How the aliases of the links of all networks begin. */
export const HOST_LINK_MARK = 'nodeplane:'
