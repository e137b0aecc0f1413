import { exec } from '#linux/exec.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniContext, CniRequest } from '../spec/plugin.ts'

/**
 * STATUS of a plugin that makes veth pairs: could ADD be served?
 * @throws {CniError} code 50: nft is missing although ipMasq needs it; what IPAM says.
 */
export async function statusVeth(
  request: CniRequest,
  { ipMasq, ipamType }: { readonly ipMasq: boolean; readonly ipamType: string | undefined },
  context: CniContext,
): Promise<void> {
  if (ipMasq) await requireNft(context.signal)
  if (ipamType !== undefined) await context.delegate.run('STATUS', ipamType, request)
}

async function requireNft(signal: AbortSignal): Promise<void> {
  try {
    await exec('nft', ['list', 'tables'], { signal })
  } catch (cause) {
    throw new CniError(cniCodes.notAvailable, 'ipMasq cannot be served', { cause })
  }
}
