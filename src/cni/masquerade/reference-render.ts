import { createHash } from 'node:crypto'
import type { Attachment } from '../attachment.ts'

/*
 * What the reference bridge plugin leaves for an attachment, in its two shapes. Pods outlive an upgrade of the plugins, so
 * our DEL has to know them.
 */

const sha512 = (text: string): string => createHash('sha512').update(text).digest('hex')

/** The chain in the nat table of iptables. All interfaces of a container in one network share it. */
export const referenceChain = ({ network, containerId }: Attachment): string =>
  `CNI-${sha512(`${network}${containerId}`).slice(0, 24)}`

/** The chain of its nftables shape, which newer releases have. */
export const REFERENCE_NFT_CHAIN = 'inet cni_plugins_masquerade masq_checks'

/**
 * Commands that delete the attachment's rules in the nftables shape, made from what `nft -j list chain` printed; empty
 * when there are none.
 */
export function renderReferenceNftRemoval(listing: string, attachment: Attachment): string {
  const { network, containerId, ifname } = attachment
  const owner = sha512(`${ifname}:${containerId}`).slice(0, 16)
  const mark = `${sha512(network).slice(0, 16)}-${owner}`
  const { nftables = [] } = JSON.parse(listing) as { nftables?: readonly NftItem[] }
  return nftables
    .filter(({ rule }) => rule?.comment?.startsWith(mark))
    .map(({ rule }) => `delete rule ${REFERENCE_NFT_CHAIN} handle ${rule?.handle}\n`)
    .join('')
}

type NftItem = { readonly rule?: { readonly handle: number; readonly comment?: string } }
