import { NodeplaneError } from '#runtime/error.ts'
import { openLibnftables } from './libnftables.ts'
import type { NftWriter } from './nft.ts'

/** Only libnftables in this process can own a table. */
export class NftOwnerError extends NodeplaneError {
  readonly code = 'ERR_NFT_OWNER'
}

/**
 * A writer whose tables with `flags owner` exist only while it does: the kernel removes them when its socket is closed, so also
 * when this process is killed. Nobody else can change them meanwhile.
 * @throws {NftOwnerError} libnftables cannot be loaded.
 */
export async function openNftOwner(): Promise<NftWriter> {
  const owner = await openLibnftables()
  if (owner !== undefined) return owner
  throw new NftOwnerError('libnftables.so.1 cannot be loaded; install it (libnftables1)')
}
