import type { IpAddress, IpFamily } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, networkOf } from '#net/prefix.ts'
import { type Attachment, attachmentComment } from '../attachment.ts'

/*
 * One map per family, from a container's address to a chain for its subnet, which lets traffic inside the subnet pass
 * and masquerades the rest. A packet costs one look-up however many containers there are; an attachment is one element
 * per address, found again by its comment.
 */

/** The table; nothing else uses it. */
export const MASQUERADE_TABLE = 'inet nodeplane_cni'

/** The map of a family's addresses. */
const masqueradeMap = (family: IpFamily): string => `masquerade${family}`

/** `outside_10.22.0.0/24`: a colon cannot stand in the name of a chain. */
export const subnetChain = (subnet: IpPrefix): string =>
  `outside_${formatPrefix(networkOf(subnet)).replaceAll(':', '_')}`

/** The table with its base chain and the chains of these addresses' subnets. Can be repeated: nothing doubles. */
export function renderMasqueradeTable(addresses: readonly IpPrefix[]): string {
  const lines = [
    `add table ${MASQUERADE_TABLE}`,
    `add map ${MASQUERADE_TABLE} masquerade4 { type ipv4_addr : verdict; }`,
    `add map ${MASQUERADE_TABLE} masquerade6 { type ipv6_addr : verdict; }`,
    `add chain ${MASQUERADE_TABLE} postrouting { type nat hook postrouting priority srcnat; }`,
    `flush chain ${MASQUERADE_TABLE} postrouting`,
    `add rule ${MASQUERADE_TABLE} postrouting ip daddr 224.0.0.0/4 return`,
    `add rule ${MASQUERADE_TABLE} postrouting ip6 daddr ff00::/8 return`,
    `add rule ${MASQUERADE_TABLE} postrouting ip saddr vmap @masquerade4`,
    `add rule ${MASQUERADE_TABLE} postrouting ip6 saddr vmap @masquerade6`,
  ]
  for (const address of addresses) {
    const chain = `${MASQUERADE_TABLE} ${subnetChain(address)}`
    const protocol = address.family === 4 ? 'ip' : 'ip6'
    lines.push(
      `add chain ${chain}`,
      `flush chain ${chain}`,
      `add rule ${chain} ${protocol} daddr ${formatPrefix(networkOf(address))} return`,
      `add rule ${chain} masquerade`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** The attachment's elements. The transaction fails when an address is in the map, or the table is not there. */
export function renderMasqueradeElements(
  attachment: Attachment,
  addresses: readonly IpPrefix[],
): string {
  return addresses
    .map(address => {
      const map = `${MASQUERADE_TABLE} ${masqueradeMap(address.family)}`
      const element = `${address.address} comment "${attachmentComment(attachment)}" : goto ${subnetChain(address)}`
      return `create element ${map} { ${element} }\n`
    })
    .join('')
}

/** An element as it is in the kernel. */
export type MasqueradeElement = {
  readonly family: IpFamily
  readonly address: IpAddress
  readonly comment: string
}

/** Takes elements away. The transaction fails when one is not there. */
export function renderMasqueradeRemoval(elements: readonly MasqueradeElement[]): string {
  return elements
    .map(
      ({ family, address }) =>
        `delete element ${MASQUERADE_TABLE} ${masqueradeMap(family)} { ${address} }\n`,
    )
    .join('')
}
