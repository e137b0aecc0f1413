import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Attachment } from '../identity.ts'
import { parseMasqueradeListing } from './listing.ts'
import { removeReferenceMasquerade } from './reference.ts'
import {
  MASQUERADE_TABLE,
  type MasqueradeElement,
  masqueradeMark,
  renderMasqueradeElements,
  renderMasqueradeRemoval,
  renderMasqueradeTable,
} from './render.ts'

/** How often a transaction is made anew that a call for another container overtook. */
const MAX_ATTEMPTS = 5

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
  const mark = masqueradeMark(attachment)
  const removed = await removeMasqueradeWhere(({ comment }) => isMarked(comment, mark), signal)
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
  const mark = masqueradeMark(attachment)
  const elements = await listMasquerade(signal)
  return elements.filter(({ comment }) => isMarked(comment, mark)).map(({ address }) => address)
}

const isMarked = (comment: string, mark: string): boolean => comment.startsWith(`${mark} `)

async function listMasquerade(signal: AbortSignal): Promise<readonly MasqueradeElement[]> {
  const words = ['-j', 'list', 'table', ...MASQUERADE_TABLE.split(' ')]
  try {
    return parseMasqueradeListing((await exec('nft', words, { signal })).stdout)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** No nft, or no table: nothing is in it. */
const isMissing = (error: unknown): boolean =>
  error instanceof ExecError &&
  (error.exitCode === undefined ? isProgramMissing(error) : /No such file/.test(error.stderr))

const runNft = (input: string, signal: AbortSignal) => exec('nft', ['-f', '-'], { input, signal })

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || isProgramMissing(error)) throw error
    }
  }
}
