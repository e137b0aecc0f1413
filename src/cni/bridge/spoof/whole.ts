import { type Attachment, attachmentMark } from '../../attachment.ts'
import { countSharedRules, listTable } from '../../nft.ts'
import { parseSpoofListing, SPOOF_TABLE } from './render.ts'

/** Rules of the chain, and elements of an attachment: see renderSpoofTable and renderSpoofElements. */
const WHOLE = { rules: 2, elements: 2 } as const

/** Which attachments' ports are guarded, by one listing. @throws {ExecError} */
export async function listGuarded(
  signal: AbortSignal,
): Promise<(attachment: Attachment) => boolean> {
  const listing = await listTable(SPOOF_TABLE, signal)
  if (listing === undefined) return () => false
  if (countSharedRules(listing).get('prerouting') !== WHOLE.rules) return () => false
  const counts = new Map<string, number>()
  for (const { comment } of parseSpoofListing(listing)) {
    const mark = comment.split(' ', 1)[0] as string
    counts.set(mark, (counts.get(mark) ?? 0) + 1)
  }
  return attachment => counts.get(attachmentMark(attachment)) === WHOLE.elements
}
