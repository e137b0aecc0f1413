import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'
import type { Attachment } from '../attachment.ts'
import { REFERENCE_NFT_CHAIN, renderReferenceNftRemoval } from './reference-render.ts'

/** Removes the masquerade rules that the reference plugin made for an attachment by nft. @throws {ExecError} */
export async function removeReferenceMasquerade(
  attachment: Attachment,
  signal: AbortSignal,
): Promise<void> {
  const words = ['-j', 'list', 'chain', ...REFERENCE_NFT_CHAIN.split(' ')]
  const listing = await outputOf('nft', words, signal)
  if (listing === '') return
  const input = renderReferenceNftRemoval(listing, attachment)
  if (input !== '') await exec('nft', ['-f', '-'], { input, signal })
}

/** What a listing prints; nothing where the program, the table or the kernel's support for it is missing. */
export async function outputOf(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  try {
    return (await exec(program, args, { signal })).stdout
  } catch (error) {
    const isRefused = error instanceof ExecError && error.exitCode !== undefined
    if (isRefused || isProgramMissing(error)) return ''
    throw error
  }
}
