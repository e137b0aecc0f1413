import type { CniContext, CniRequest } from '../spec/plugin.ts'
import { requireNft, statusVeth } from '../veth/status.ts'
import { bridgeConfigFrom } from './config.ts'

/** STATUS: could ADD be served? @throws {CniError} code 50: a program is missing; what IPAM says; a wrong configuration. */
export async function statusBridge(request: CniRequest, context: CniContext): Promise<void> {
  const config = bridgeConfigFrom(request)
  if (config.macspoofchk) await requireNft('macspoofchk', context.signal)
  await statusVeth(request, config, context)
}
