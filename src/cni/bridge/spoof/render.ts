import type { MacAddress } from '#net/mac.ts'
import { type Attachment, attachmentComment } from '../../attachment.ts'
import { hostLinkName } from '../../veth/identity.ts'

/*
 * Two sets of one table: the guarded ports, and which MACs may come in by them. A frame costs two look-ups however many
 * ports there are.
 */

/** The table; nothing else uses it. */
export const SPOOF_TABLE = 'bridge nodeplane_cni'

const GUARDED = 'guarded'
const ALLOWED = 'allowed'

/** The table with its chain. Can be repeated: nothing doubles. */
export function renderSpoofTable(): string {
  return [
    `add table ${SPOOF_TABLE}`,
    `add set ${SPOOF_TABLE} ${GUARDED} { typeof iifname; }`,
    `add set ${SPOOF_TABLE} ${ALLOWED} { typeof iifname . ether saddr; }`,
    // Before bridge netfilter has a look (the priority of the reference).
    `add chain ${SPOOF_TABLE} prerouting { type filter hook prerouting priority -300; }`,
    `flush chain ${SPOOF_TABLE} prerouting`,
    `add rule ${SPOOF_TABLE} prerouting iifname . ether saddr @${ALLOWED} return`,
    `add rule ${SPOOF_TABLE} prerouting iifname @${GUARDED} drop`,
    '',
  ].join('\n')
}

/** The attachment's elements. The transaction fails when it has some, or the table is not there. */
export function renderSpoofElements(attachment: Attachment, mac: MacAddress): string {
  const port = `"${hostLinkName(attachment)}"`
  const comment = `comment "${attachmentComment(attachment)}"`
  return [
    `create element ${SPOOF_TABLE} ${ALLOWED} { ${port} . ${mac} ${comment} }`,
    `create element ${SPOOF_TABLE} ${GUARDED} { ${port} ${comment} }`,
    '',
  ].join('\n')
}

/** An element of one of the sets, as it is in the kernel. */
export type SpoofElement = {
  readonly set: string
  /** As nft writes it. */
  readonly key: string
  readonly comment: string
}

/** Takes elements away. The transaction fails when one is not there. */
export const renderSpoofRemoval = (elements: readonly SpoofElement[]): string =>
  elements.map(({ set, key }) => `delete element ${SPOOF_TABLE} ${set} { ${key} }\n`).join('')

/** What `nft -j list table` printed of the sets (libnftables-json(5)). @throws {SyntaxError} it is not JSON. */
export function parseSpoofListing(text: string): readonly SpoofElement[] {
  const { nftables = [] } = JSON.parse(text) as { readonly nftables?: readonly Item[] }
  return nftables.flatMap(({ set }) =>
    (set?.elem ?? []).flatMap(({ elem }) =>
      set === undefined || elem?.comment === undefined
        ? []
        : [{ set: set.name, key: keyText(elem.val), comment: elem.comment }],
    ),
  )
}

type Key = string | { readonly concat: readonly string[] }
type Item = {
  readonly set?: {
    readonly name: string
    readonly elem?: readonly { readonly elem?: { readonly val: Key; readonly comment?: string } }[]
  }
}

const keyText = (key: Key): string =>
  typeof key === 'string' ? `"${key}"` : `"${key.concat[0]}" . ${key.concat.slice(1).join(' . ')}`
