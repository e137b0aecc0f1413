import { type IpFamily, isLoopback, parseIp } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import { baseChain, type Chain } from './chain.ts'
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

/** What node ports on loopback need besides the rules that serve them. */
export const localhostChains = (family: IpFamily): readonly Chain[] =>
  family === 4 ? [localnetGuard] : loopbackReturn

/**
 * Drops what others send to 127.0.0.0/8: the kernel does unless route_localnet is set, which these node ports need.
 * kube-proxy lets pass what claims to come from there too, and drops own connections from other addresses to it.
 */
const localnetGuard = baseChain('localnet-guard', 'filter hook input priority 0', [
  'iifname != "lo" ip daddr 127.0.0.0/8 ct state != { established, related } ct status & dnat == 0 drop',
])

/**
 * Leads answers back to ::1. Translated back they would be routed to ::1, and the kernel has no such route on the link
 * they came in by. So they go on to the address that stood in for ::1, and get ::1 where routing is done.
 */
const loopbackReturn: readonly Chain[] = [
  baseChain('localhost-prerouting', 'filter hook prerouting priority -90', [
    'ip6 daddr ::1 iifname != "lo" ct direction reply ct status dnat ip6 daddr set ct reply ip6 daddr',
  ]),
  baseChain('localhost-input', 'filter hook input priority 0', [
    'iifname != "lo" ct direction reply ct original ip6 saddr ::1 ip6 daddr set ::1',
  ]),
]
