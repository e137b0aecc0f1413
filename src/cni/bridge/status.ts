import { exec } from '#linux/exec.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniContext, CniRequest } from '../spec/plugin.ts'
import { bridgeConfigFrom } from './config.ts'

/**
 * STATUS: could ADD be served?
 * @throws {CniError} code 50: nft or iptables is missing although ipMasq or macspoofchk needs it; what IPAM says; a wrong configuration.
 */
export async function statusBridge(request: CniRequest, context: CniContext): Promise<void> {
  const { ipMasq, ipMasqBackend, macspoofchk, ipamType } = bridgeConfigFrom(request)
  const { signal } = context
  if (ipMasq && ipMasqBackend === 'iptables') {
    await requireFor('ipMasq', () => exec('iptables', ['-w', '10', '-t', 'nat', '-S'], { signal }))
  }
  if (macspoofchk || (ipMasq && ipMasqBackend === 'nftables')) {
    const field = macspoofchk ? 'macspoofchk' : 'ipMasq'
    await requireFor(field, () => exec('nft', ['list', 'tables'], { signal }))
  }
  if (ipamType !== undefined) await context.delegate.run('STATUS', ipamType, request)
}

async function requireFor(field: string, attempt: () => Promise<unknown>): Promise<void> {
  try {
    await attempt()
  } catch (cause) {
    throw new CniError(cniCodes.notAvailable, `${field} cannot be served`, { cause })
  }
}
