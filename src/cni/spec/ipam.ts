import { objectField, stringField } from './config-object.ts'
import { CniError, cniCodes } from './error.ts'
import type { AttachmentRequest, CniConfig, CniContext } from './plugin.ts'
import type { CniResult } from './result.ts'

/** The IPAM plugin that a configuration names; undefined for a layer-2 configuration. @throws {CniError} code 6 */
export function ipamTypeOf({ fields }: CniConfig): string | undefined {
  const ipam = objectField(fields, 'ipam')
  return (ipam && stringField(ipam, 'type')) || undefined
}

/**
 * Asks the IPAM plugin for addresses. What it gives has no interfaces; whoever made the interface adds the index.
 * @throws {CniError} the delegate's, or code 7 when it gave no address; nothing stays reserved.
 */
export async function addIpam(
  type: string,
  request: AttachmentRequest,
  context: Pick<CniContext, 'delegate' | 'warn'>,
): Promise<CniResult> {
  const result = await context.delegate.add(type, request)
  if (result.ips.length > 0) return { ...result, interfaces: [], ips: result.ips.map(withoutIndex) }
  await context.delegate.run('DEL', type, request).catch(error => context.warn(String(error)))
  throw new CniError(cniCodes.invalidConfig, `IPAM plugin ${type} returned missing IP config`)
}

const withoutIndex = (ip: CniResult['ips'][number]) => ({ ...ip, interface: undefined })
