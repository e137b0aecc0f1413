import type { IpAddress, IpFamily } from '#net/ip.ts'

/** The table with the rules that catch queries; it dies with its process. */
export const RULES_TABLE = 'nodeplane-dns'
/** The table that outlives the process; its set says which addresses were bound. */
export const ADDRESSES_TABLE = 'nodeplane-dns-addresses'
export const ADDRESSES_SET = 'addresses'

/** Clients of the cluster DNS address ask port 53, and nothing translates it. */
const PORT = 53

const nftFamily = (family: IpFamily): 'ip' | 'ip6' => (family === 4 ? 'ip' : 'ip6')

/**
 * Rules by which queries to the addresses, and the answers, pass connection tracking by (priority raw is before it): what is not
 * tracked is not translated either, so it stays on the node. The owner flag makes the table this process's own. Answers have a chain
 * of their own: {@link renderRelease} leaves it.
 */
export function renderRules(family: IpFamily, addresses: readonly IpAddress[]): string {
  const ip = nftFamily(family)
  const set = `{ ${addresses.join(', ')} }`
  const queries = `${ip} daddr ${set} meta l4proto { tcp, udp } th dport ${PORT} notrack`
  const answers = `${ip} saddr ${set} meta l4proto { tcp, udp } th sport ${PORT} notrack`
  return `table ${ip} ${RULES_TABLE} {
  flags owner
  chain prerouting {
    type filter hook prerouting priority raw
    ${queries}
  }
  chain output {
    type filter hook output priority raw
    ${queries}
  }
  chain answers {
    type filter hook output priority raw
    ${answers}
  }
}
`
}

/**
 * Catches no more queries of a table of {@link renderRules}. What has been asked is still answered from the address that was asked:
 * an answer that is tracked would be a flow of its own, masqueraded, which nobody waits for.
 */
export const renderRelease = (family: IpFamily): string =>
  ['prerouting', 'output']
    .map(chain => `flush chain ${nftFamily(family)} ${RULES_TABLE} ${chain}\n`)
    .join('')

/** Removes the table of {@link renderRules}, which is there. */
export const renderEnd = (family: IpFamily): string =>
  `delete table ${nftFamily(family)} ${RULES_TABLE}\n`

/**
 * What stays while an address is bound. A program of the node that asks a bound address has it as its own source, too; when the
 * query then leaves the node, because nothing catches it any more, its answer would not come back.
 */
export function renderAddresses(family: IpFamily, addresses: readonly IpAddress[]): string {
  const ip = nftFamily(family)
  return `${renderRemoval(family, ADDRESSES_TABLE)}table ${ip} ${ADDRESSES_TABLE} {
  set ${ADDRESSES_SET} {
    type ipv${family}_addr
    elements = { ${addresses.join(', ')} }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname != "lo" ${ip} saddr @${ADDRESSES_SET} masquerade
  }
}
`
}

/** Removes a table without owner, whether it is there or not. */
export function renderRemoval(family: IpFamily, table: string): string {
  const name = `table ${nftFamily(family)} ${table}`
  return `add ${name}\ndelete ${name}\n`
}
