import type { IpFamily } from '#net/ip.ts'
import { formatPrefix, type IpPrefix } from '#net/prefix.ts'
import type { Masquerade } from '../plan.ts'

/** The table of each family; nothing else uses it. */
export const ROUTES_TABLE = 'nodeplane_routes'

const words: Readonly<Record<IpFamily, { table: string; match: string; type: string }>> = {
  4: { table: `ip ${ROUTES_TABLE}`, match: 'ip', type: 'ipv4_addr' },
  6: { table: `ip6 ${ROUTES_TABLE}`, match: 'ip6', type: 'ipv6_addr' },
}

/**
 * A family's table as one transaction, whatever it held before: no packet sees it half made. What pods send anywhere but
 * into the cluster gets the node's address, just before the source NAT of Services (priority 100); fully random ports, as
 * kube-proxy takes. Into a tunnel connections go with the segment size that fits.
 */
export function renderNftTable({ family, pods, inside, tunnel }: Masquerade): string {
  const { table, match, type } = words[family]
  const lines = [
    `add table ${table}`,
    `add set ${table} pods { type ${type}; flags interval; }`,
    `add set ${table} inside { type ${type}; flags interval; }`,
    `add chain ${table} postrouting { type nat hook postrouting priority 90; }`,
    `add chain ${table} forward { type filter hook forward priority -150; }`,
    `flush table ${table}`,
    `flush set ${table} pods`,
    `flush set ${table} inside`,
    ...elements(`${table} pods`, pods),
    ...elements(`${table} inside`, inside),
    `add rule ${table} postrouting ${match} saddr != @pods return`,
    `add rule ${table} postrouting ${match} daddr @inside return`,
    // Broadcast is only a type of IPv4's.
    `add rule ${table} postrouting fib daddr type { local, multicast${family === 4 ? ', broadcast' : ''} } return`,
    `add rule ${table} postrouting masquerade fully-random`,
  ]
  if (tunnel !== undefined) {
    lines.push(
      `add rule ${table} forward oifname "${tunnel}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`,
    )
  }
  return `${lines.join('\n')}\n`
}

const elements = (set: string, prefixes: readonly IpPrefix[]): readonly string[] =>
  prefixes.length === 0 ? [] : [`add element ${set} { ${prefixes.map(formatPrefix).join(', ')} }`]

/** Takes a family's table away, whether it is there or not. */
export const renderNftRemoval = (family: IpFamily): string =>
  `add table ${words[family].table}\ndelete table ${words[family].table}\n`
