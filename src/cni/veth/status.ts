import { exec } from '#linux/exec.ts'
import type { MasqueradeBackend } from '../masquerade/apply.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniContext, CniRequest } from '../spec/plugin.ts'

/**
 * STATUS of a plugin that makes veth pairs: could ADD be served?
 * @throws {CniError} code 50: the program that ipMasq needs is missing; what IPAM says.
 */
export async function statusVeth(
  request: CniRequest,
  { ipMasq, ipMasqBackend, ipamType }: StatusWish,
  context: CniContext,
): Promise<void> {
  const { signal } = context
  if (ipMasq && ipMasqBackend === 'iptables') {
    await requireFor('ipMasq', () => exec('iptables', ['-w', '10', '-t', 'nat', '-S'], { signal }))
  } else if (ipMasq) {
    await requireNft('ipMasq', signal)
  }
  if (ipamType !== undefined) await context.delegate.run('STATUS', ipamType, request)
}

type StatusWish = {
  readonly ipMasq: boolean
  /** nftables when not given. */
  readonly ipMasqBackend?: MasqueradeBackend
  readonly ipamType: string | undefined
}

/** @throws {CniError} code 50: nft, which a field of the configuration needs, is missing. */
export const requireNft = (field: string, signal: AbortSignal): Promise<void> =>
  requireFor(field, () => exec('nft', ['list', 'tables'], { signal }))

async function requireFor(field: string, attempt: () => Promise<unknown>): Promise<void> {
  try {
    await attempt()
  } catch (cause) {
    throw new CniError(cniCodes.notAvailable, `${field} cannot be served`, { cause })
  }
}
