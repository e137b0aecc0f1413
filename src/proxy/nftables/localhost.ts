import { type IpFamily, isLoopback, parseIp } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import { nftFamily } from './table.ts'

/** The loopback addresses of a family, as nft writes them. */
export const loopbackOf = (family: IpFamily): string => (family === 4 ? '127.0.0.0/8' : '::1')

/** The match of what is sent to loopback addresses. */
export const toLoopback = (family: IpFamily): string =>
  `${nftFamily(family)} daddr ${loopbackOf(family)}`

/**
 * Are loopback addresses among those that answer on node ports (all, when no prefix is given)? As kube-proxy asks it:
 * a prefix is loopback itself, or holds 127.0.0.0, or in IPv6 (which kube-proxy never serves) ::1.
 */
export function selectsLoopback(prefixes: readonly IpPrefix[], family: IpFamily): boolean {
  const loopback = parseIp(family === 4 ? '127.0.0.0' : '::1')
  return (
    prefixes.length === 0 ||
    prefixes.some(
      prefix =>
        isLoopback(prefix.address) || (loopback !== undefined && prefixContains(prefix, loopback)),
    )
  )
}

/**
 * What others send to 127.0.0.0/8: the kernel drops it unless route_localnet is set, which node ports on loopback need.
 * kube-proxy lets pass what claims to come from 127.0.0.0/8 too, and drops own connections from other addresses.
 */
export const localnetGuard: readonly string[] = [
  'iifname != "lo" ip daddr 127.0.0.0/8 ct state != { established, related } ct status & dnat == 0 drop',
]
