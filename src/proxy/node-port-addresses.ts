import { ownAddresses } from '#linux/netlink/own-addresses.ts'
import { familyOf, type IpAddress, type IpFamily, isLinkLocal } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import { DUMMY_LINK } from './ipvs/dummy-link.ts'
import type { ProxySettings } from './settings.ts'

type Selection = Pick<ProxySettings, 'nodePortAddresses'>

/** The prefixes of a family that select where node ports answer; none: everywhere, as one of length 0 says too. */
export function nodePortPrefixes(
  { nodePortAddresses }: Selection,
  family: IpFamily,
): readonly IpPrefix[] {
  const prefixes = nodePortAddresses.filter(prefix => prefix.family === family)
  return prefixes.some(({ length }) => length === 0) ? [] : prefixes
}

/** The addresses of this machine, as they are now, in these prefixes; without any prefix all of the family. */
export const selectedAddresses = (
  prefixes: readonly IpPrefix[],
  family: IpFamily,
  own: readonly IpAddress[] = machineAddresses(),
): ReadonlySet<IpAddress> =>
  new Set(
    own
      .filter(address => familyOf(address) === family)
      .filter(
        address =>
          prefixes.length === 0 || prefixes.some(prefix => prefixContains(prefix, address)),
      ),
  )

/**
 * Where the health checks of Services listen: where node ports answer, the loopback addresses among them. Not on IPv6
 * addresses of one link, on which no one can without naming it. Empty when no address is selected now.
 */
export function healthCheckHosts(
  selection: Selection,
  family: IpFamily,
  own?: readonly IpAddress[],
): readonly IpAddress[] {
  const prefixes = nodePortPrefixes(selection, family)
  if (prefixes.length === 0) return [(family === 4 ? '0.0.0.0' : '::') as IpAddress]
  const selected = [...selectedAddresses(prefixes, family, own)]
  return selected.filter(address => family === 4 || !isLinkLocal(address))
}

/** What mode ipvs binds are addresses of Services, whoever bound them. */
const machineAddresses = (): readonly IpAddress[] => ownAddresses(DUMMY_LINK)
