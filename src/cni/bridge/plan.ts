import { formatPrefix, type IpPrefix, prefixesOverlap } from '#net/prefix.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { BridgeConfig } from './config.ts'

/** What to change about the bridge's addresses. */
export type GatewayChange = {
  readonly remove: readonly IpPrefix[]
  readonly add: readonly IpPrefix[]
}

/**
 * How the bridge gets the addresses it should have. An IPv4 address that is none of them is a conflict, an IPv6 address
 * only when its subnet overlaps.
 * @param present the bridge's global addresses.
 * @throws {CniError} code 7: there is a conflict and `forceAddress` does not allow to remove it.
 */
export function planGateway(
  wanted: readonly IpPrefix[],
  present: readonly IpPrefix[],
  { bridge, forceAddress }: Pick<BridgeConfig, 'bridge' | 'forceAddress'>,
): GatewayChange {
  const isWanted = (prefix: IpPrefix) => wanted.some(each => isSame(each, prefix))
  const add = wanted.filter(prefix => !present.some(each => isSame(each, prefix)))
  const remove = present.filter(prefix => !isWanted(prefix) && add.some(conflictsWith(prefix)))
  const [conflict] = remove
  if (conflict !== undefined && !forceAddress) {
    throw new CniError(
      cniCodes.invalidConfig,
      `"${bridge}" already has an IP address different from ${add.map(formatPrefix).join(', ')}: ${formatPrefix(conflict)}`,
    )
  }
  return { remove, add }
}

const isSame = (a: IpPrefix, b: IpPrefix): boolean =>
  a.address === b.address && a.length === b.length

const conflictsWith =
  (present: IpPrefix) =>
  (wanted: IpPrefix): boolean =>
    present.family === wanted.family && (present.family === 4 || prefixesOverlap(present, wanted))
