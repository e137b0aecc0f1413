import type { IpFamily } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, networkOf } from '#net/prefix.ts'
import { type Attachment, attachmentHash } from '../attachment.ts'
import { entriesInto, restoreText, ruleComment } from '../iptables-text.ts'

/*
 * A chain of its own for each attachment, entered by the container's addresses. The reference shares one between all
 * interfaces of a container in a network, and takes it away with the first.
 */

/** The attachment's chain: of the reference's shape, which people and tools know. */
export const masqueradeChain = (attachment: Attachment): string =>
  `CNI-${attachmentHash(attachment).slice(0, 24)}`

const groups: Readonly<Record<IpFamily, string>> = { 4: '224.0.0.0/4', 6: 'ff00::/8' }

/**
 * Input for `iptables-restore --noflush`: what these addresses of one family send out of their subnets gets the node's
 * address, in place of what the attachment had before. @param saved what `iptables-save -t nat` printed.
 */
export function renderIptablesMasquerade(
  attachment: Attachment,
  addresses: readonly IpPrefix[],
  saved: string,
): string {
  const chain = masqueradeChain(attachment)
  const comment = ruleComment(attachment)
  return restoreText([
    '*nat',
    // Declared, a chain is emptied.
    `:${chain} - [0:0]`,
    // Not ACCEPT, as the reference has it: that would keep the packet from the rules of others behind these.
    ...addresses.flatMap(address => [
      `-A ${chain} ${from(address)} -d ${formatPrefix(networkOf(address))} ${comment} -j RETURN`,
      `-A ${chain} ${from(address)} ! -d ${groups[address.family]} ${comment} -j MASQUERADE`,
    ]),
    ...entriesInto(saved, chain),
    ...addresses.map(address => `-A POSTROUTING ${from(address)} ${comment} -j ${chain}`),
    'COMMIT',
  ])
}

const from = ({ address, family }: IpPrefix): string => `-s ${address}/${family === 4 ? 32 : 128}`

/** A rule by which the packets of an address get into a chain of ours. */
export type MasqueradeEntry = {
  /** Without the length. */
  readonly address: string
  readonly chain: string
  readonly comment: string
}

/** The addresses that chains of ours masquerade, in what `iptables-save -t nat` printed. */
export function parseMasqueradeEntries(saved: string): readonly MasqueradeEntry[] {
  const entries: MasqueradeEntry[] = []
  for (const line of saved.split('\n')) {
    const match =
      /^-A POSTROUTING -s ([0-9a-f.:]+)\/\d+ -m comment --comment "(.*)" -j (CNI-[0-9a-f]{24})$/.exec(
        line,
      )
    const [, address, comment, chain] = match ?? []
    if (address === undefined || comment === undefined || chain === undefined) continue
    if (saved.includes(`\n-A ${chain} `)) entries.push({ address, comment, chain })
  }
  return entries
}
