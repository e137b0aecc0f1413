import type { MacAddress } from '#net/mac.ts'
import { type Attachment, attachmentMark, isMarkedBy } from '../../attachment.ts'
import { listTable, retried, runNft } from '../../nft.ts'
import { removeReferenceSpoofCheck } from './reference.ts'
import {
  parseSpoofListing,
  renderSpoofElements,
  renderSpoofRemoval,
  renderSpoofTable,
  SPOOF_TABLE,
  type SpoofElement,
} from './render.ts'

/**
 * Of the frames that come in by the attachment's port only those with this source MAC pass, ARP and IP alike; in place of
 * what it had before. @throws {ExecError} nft refused, or is not there.
 */
export async function addSpoofCheck(
  attachment: Attachment,
  mac: MacAddress,
  signal: AbortSignal,
): Promise<void> {
  const elements = renderSpoofElements(attachment, mac)
  try {
    // Nearly always the table is there, and nothing of the attachment in it.
    await runNft(elements, signal)
  } catch {
    await retried(async () => {
      const removal = renderSpoofRemoval(await listSpoofChecks(attachment, signal))
      await runNft(`${renderSpoofTable()}${removal}${elements}`, signal)
    })
  }
}

/**
 * Removes what guards the attachment's port, ours and the reference plugin's; nothing to remove is fine, and so is a
 * machine without nft. @throws {ExecError}
 */
export async function removeSpoofCheck(attachment: Attachment, signal: AbortSignal): Promise<void> {
  const mark = attachmentMark(attachment)
  const removed = await removeSpoofChecksWhere(comment => isMarkedBy(comment, mark), signal)
  if (removed === 0) await removeReferenceSpoofCheck(attachment, signal)
}

/** Removes the elements whose comment `isUnwanted` names, and says how many. @throws {ExecError} */
export async function removeSpoofChecksWhere(
  isUnwanted: (comment: string) => boolean,
  signal: AbortSignal,
): Promise<number> {
  return await retried(async () => {
    const unwanted = (await listAll(signal)).filter(({ comment }) => isUnwanted(comment))
    if (unwanted.length > 0) await runNft(renderSpoofRemoval(unwanted), signal)
    return unwanted.length
  })
}

/** The elements of an attachment: two when its port is guarded. @throws {ExecError} */
export async function listSpoofChecks(
  attachment: Attachment,
  signal: AbortSignal,
): Promise<readonly SpoofElement[]> {
  const mark = attachmentMark(attachment)
  return (await listAll(signal)).filter(({ comment }) => isMarkedBy(comment, mark))
}

async function listAll(signal: AbortSignal): Promise<readonly SpoofElement[]> {
  const text = await listTable(SPOOF_TABLE, signal)
  return text === undefined ? [] : parseSpoofListing(text)
}
