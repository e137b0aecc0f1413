import { exec } from '#linux/exec.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniContext, CniRequest } from '../spec/plugin.ts'
import { bridgeConfigFrom } from './config.ts'

/**
 * STATUS: could ADD be served?
 * @throws {CniError} code 50: nft is missing although ipMasq needs it; what IPAM says; a wrong configuration.
 */
export async function statusBridge(request: CniRequest, context: CniContext): Promise<void> {
  const { ipMasq, ipamType } = bridgeConfigFrom(request)
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
