import { hostAddresses } from '#net/host-addresses.ts'
import { familyOf, type IpAddress, type IpFamily } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import type { ProxySettings } from './settings.ts'

/** The prefixes of a family that select where node ports answer; none: everywhere. */
export const nodePortPrefixes = (
  { nodePortAddresses }: Pick<ProxySettings, 'nodePortAddresses'>,
  family: IpFamily,
): readonly IpPrefix[] => nodePortAddresses.filter(prefix => prefix.family === family)

/** The addresses of this machine, as they are now, in these prefixes; without any prefix all of the family. */
export const selectedAddresses = (
  prefixes: readonly IpPrefix[],
  family: IpFamily,
): ReadonlySet<IpAddress> =>
  new Set(
    hostAddresses()
      .map(({ address }) => address)
      .filter(address => familyOf(address) === family)
      .filter(
        address =>
          prefixes.length === 0 || prefixes.some(prefix => prefixContains(prefix, address)),
      ),
  )
