import { createHash } from 'node:crypto'
import type { AttachmentRequest, GcRequest } from './spec/plugin.ts'

/** What makes an attachment: no two live ones have all three in common. */
export type Attachment = {
  /** The network's name. */
  readonly network: string
  readonly containerId: string
  readonly ifname: string
}

/** The attachment a call is about. */
export const attachmentOf = ({ config, containerId, ifname }: AttachmentRequest): Attachment => ({
  network: config.name,
  containerId,
  ifname,
})

/** 128 bits that identify an attachment, in hexadecimal. */
export const attachmentHash = ({ network, containerId, ifname }: Attachment): string =>
  // None of the three can hold a zero byte.
  sha256(`${network}\0${containerId}\0${ifname}`).slice(0, 32)

/** 64 bits that identify a network, in hexadecimal. */
export const networkHash = (network: string): string => sha256(network).slice(0, 16)

/** How the comments of everything of a network begin in the kernel. */
export const networkMark = (network: string): string => `${networkHash(network)}-`

/** How the comment of everything of an attachment begins in the kernel, up to the first blank. */
export const attachmentMark = (attachment: Attachment): string =>
  `${networkMark(attachment.network)}${attachmentHash(attachment)}`

/** Longest comment of a rule or an element of nftables, in bytes (NFTNL_UDATA_COMMENT_MAXLEN). */
const MAX_COMMENT_BYTES = 127

/** The mark, and for people who it belongs to. Interface names may hold quotes: nothing but plain letters stays. */
export function attachmentComment(attachment: Attachment): string {
  const { network, containerId, ifname } = attachment
  const words = `${network} ${containerId} ${ifname}`.replace(/[^A-Za-z0-9_. -]/g, '_')
  return `${attachmentMark(attachment)} ${words}`.slice(0, MAX_COMMENT_BYTES)
}

/** Is this the comment of something of the attachment with this mark? */
export const isMarkedBy = (comment: string, mark: string): boolean =>
  comment.split(' ', 1)[0] === mark

/**
 * Which comments are of attachments of the network that GC is not told to keep; undefined when the runtime sent no list:
 * then nothing may be released.
 */
export function unwantedMarks({
  config,
  validAttachments,
}: GcRequest): ((comment: string) => boolean) | undefined {
  if (validAttachments === undefined) return undefined
  const valid = new Set(
    validAttachments.map(each => attachmentMark({ ...each, network: config.name })),
  )
  const ofNetwork = networkMark(config.name)
  return comment => comment.startsWith(ofNetwork) && !valid.has(comment.split(' ', 1)[0] as string)
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
