import {
  booleanField,
  fieldPath,
  invalid,
  objectField,
  stringField,
} from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { ipamTypeOf } from '../spec/ipam.ts'
import type { CniRequest } from '../spec/plugin.ts'
import type { CniDns } from '../spec/result.ts'
import { dnsOf, mtuOf, wantsMasquerade } from '../veth/config.ts'

export type PtpConfig = {
  readonly ipMasq: boolean
  /** undefined: the kernel's own. */
  readonly mtu: number | undefined
  readonly ipamType: string
  /** undefined: what IPAM says. */
  readonly dns: CniDns | undefined
  /** IPv6 addresses of the container go through duplicate detection. */
  readonly enabledad: boolean
}

/** @throws {CniError} code 2, 6 or 7 */
export function ptpConfigFrom({ config }: CniRequest): PtpConfig {
  const { fields } = config
  const backend = stringField(fields, 'ipMasqBackend') || 'nftables'
  if (backend === 'iptables') {
    const path = fieldPath(fields, 'ipMasqBackend')
    throw new CniError(cniCodes.unsupportedField, `${path} "iptables": not supported`)
  }
  if (backend !== 'nftables') {
    throw invalid(fields, 'ipMasqBackend', `'${backend}' is neither iptables nor nftables`)
  }
  const ipamType = ipamTypeOf(config)
  if (ipamType === undefined) {
    const ipam = objectField(fields, 'ipam')
    throw ipam === undefined
      ? invalid(fields, 'ipam', 'is missing')
      : invalid(ipam, 'type', 'is missing')
  }
  return {
    ipMasq: wantsMasquerade(config),
    mtu: mtuOf(fields),
    ipamType,
    dns: dnsOf(fields),
    enabledad: booleanField(fields, 'enabledad') ?? false,
  }
}
