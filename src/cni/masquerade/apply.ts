import type { IpPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentMark, isMarkedBy } from '../attachment.ts'
import { listTable, retried, runNft } from '../nft.ts'
import {
  addIptablesMasquerade,
  iptablesMasqueradedAddresses,
  removeIptablesMasquerade,
  removeIptablesMasqueradeWhere,
} from './iptables.ts'
import { parseMasqueradeListing } from './listing.ts'
import { removeReferenceMasquerade } from './reference.ts'
import {
  MASQUERADE_TABLE,
  type MasqueradeElement,
  renderMasqueradeElements,
  renderMasqueradeRemoval,
  renderMasqueradeTable,
} from './render.ts'

/** By which program's rules connections to the outside are masqueraded. */
export type MasqueradeBackend = 'iptables' | 'nftables'

/** By which program, and until when. */
export type MasqueradeOptions = {
  readonly backend: MasqueradeBackend
  readonly signal: AbortSignal
}

/**
 * What the attachment sends out of its subnets gets the node's address.
 * @throws {ExecError} the back end's program refused, or is not there.
 */
export const addMasquerade = (
  attachment: Attachment,
  addresses: readonly IpPrefix[],
  { backend, signal }: MasqueradeOptions,
): Promise<void> =>
  (backend === 'iptables' ? addIptablesMasquerade : addNftMasquerade)(attachment, addresses, signal)

/** A former owner of one of the addresses loses its element: the address has been given to this one. */
async function addNftMasquerade(
  attachment: Attachment,
  addresses: readonly IpPrefix[],
  signal: AbortSignal,
): Promise<void> {
  const elements = renderMasqueradeElements(attachment, addresses)
  try {
    // Nearly always table and chains are there, and nobody else hears of a change to them.
    await runNft(elements, signal)
  } catch {
    await retried(async () => {
      const owned = await listMasquerade(signal)
      const stale = owned.filter(({ address }) => addresses.some(each => each.address === address))
      const removal = renderMasqueradeRemoval(stale)
      await runNft(`${renderMasqueradeTable(addresses)}${removal}${elements}`, signal)
    })
  }
}

/**
 * Removes what masquerades an attachment, whichever back end did it: the configuration may name another one than it did at
 * ADD. Nothing to remove is fine, and so is a machine without the programs.
 * @throws {ExecError}
 */
export async function removeMasquerade(attachment: Attachment, signal: AbortSignal): Promise<void> {
  const mark = attachmentMark(attachment)
  const removed = await removeElementsWhere(({ comment }) => isMarkedBy(comment, mark), signal)
  if (removed > 0) return
  await removeIptablesMasquerade(attachment, signal)
  // Pods outlive an upgrade: the reference's plugin may have wired this one.
  await removeReferenceMasquerade(attachment, signal)
}

/** Removes what masquerades the attachments that `isUnwanted` names, by both back ends. @throws {ExecError} */
export async function removeMasqueradeWhere(
  isUnwanted: (owner: { readonly comment: string }) => boolean,
  signal: AbortSignal,
): Promise<void> {
  await removeElementsWhere(isUnwanted, signal)
  await removeIptablesMasqueradeWhere(comment => isUnwanted({ comment }), signal)
}

async function removeElementsWhere(
  isUnwanted: (element: MasqueradeElement) => boolean,
  signal: AbortSignal,
): Promise<number> {
  return await retried(async () => {
    const unwanted = (await listMasquerade(signal)).filter(isUnwanted)
    if (unwanted.length > 0) await runNft(renderMasqueradeRemoval(unwanted), signal)
    return unwanted.length
  })
}

/** The addresses that are masqueraded for an attachment. @throws {ExecError} */
export async function masqueradedAddresses(
  attachment: Attachment,
  { backend, signal }: MasqueradeOptions,
): Promise<readonly string[]> {
  if (backend === 'iptables') return iptablesMasqueradedAddresses(attachment, signal)
  const mark = attachmentMark(attachment)
  const elements = await listMasquerade(signal)
  return elements.filter(({ comment }) => isMarkedBy(comment, mark)).map(({ address }) => address)
}

async function listMasquerade(signal: AbortSignal): Promise<readonly MasqueradeElement[]> {
  const text = await listTable(MASQUERADE_TABLE, signal)
  return text === undefined ? [] : parseMasqueradeListing(text)
}
