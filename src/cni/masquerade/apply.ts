import type { IpPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentMark, isMarkedBy } from '../attachment.ts'
import { listTable, retried, runNft } from '../nft.ts'
import { parseMasqueradeListing } from './listing.ts'
import { removeReferenceMasquerade } from './reference.ts'
import {
  MASQUERADE_TABLE,
  type MasqueradeElement,
  renderMasqueradeElements,
  renderMasqueradeRemoval,
  renderMasqueradeTable,
} from './render.ts'

/**
 * What the attachment sends out of its subnets gets the node's address. A former owner of one of the addresses loses its
 * element: the address has been given to this one.
 * @throws {ExecError} nft refused, or is not there.
 */
export async function addMasquerade(
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
 * Removes what masquerades an attachment; nothing to remove is fine, and so is a machine without nft.
 * @throws {ExecError}
 */
export async function removeMasquerade(attachment: Attachment, signal: AbortSignal): Promise<void> {
  const mark = attachmentMark(attachment)
  const removed = await removeMasqueradeWhere(({ comment }) => isMarkedBy(comment, mark), signal)
  // Pods outlive an upgrade: the reference's plugin may have wired this one.
  if (removed === 0) await removeReferenceMasquerade(attachment, signal)
}

/** Removes the elements that `isUnwanted` names, and says how many. @throws {ExecError} */
export async function removeMasqueradeWhere(
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
  signal: AbortSignal,
): Promise<readonly string[]> {
  const mark = attachmentMark(attachment)
  const elements = await listMasquerade(signal)
  return elements.filter(({ comment }) => isMarkedBy(comment, mark)).map(({ address }) => address)
}

async function listMasquerade(signal: AbortSignal): Promise<readonly MasqueradeElement[]> {
  const text = await listTable(MASQUERADE_TABLE, signal)
  return text === undefined ? [] : parseMasqueradeListing(text)
}
