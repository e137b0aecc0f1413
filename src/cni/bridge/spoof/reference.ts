import type { Attachment } from '../../attachment.ts'
import { listTable, retried, runNft } from '../../nft.ts'

/** Where the reference plugin guards ports: a chain per interface, and one more with its MAC. */
const REFERENCE_TABLE = 'bridge nat'

/** Removes what the reference bridge plugin guards an attachment's port by: pods outlive an upgrade. @throws {ExecError} */
export async function removeReferenceSpoofCheck(
  attachment: Attachment,
  signal: AbortSignal,
): Promise<void> {
  await retried(async () => {
    const listing = await listTable(REFERENCE_TABLE, signal)
    const input = listing === undefined ? '' : renderReferenceSpoofRemoval(listing, attachment)
    if (input !== '') await runNft(input, signal)
  })
}

/** Commands that delete the attachment's rules and chains, made from what `nft -j list table` printed; empty for none. */
export function renderReferenceSpoofRemoval(
  listing: string,
  { containerId, ifname }: Attachment,
): string {
  const { nftables = [] } = JSON.parse(listing) as { readonly nftables?: readonly Item[] }
  const own = `cni-br-iface-${containerId}-${ifname}`
  const names = [own, `${own}-mac`]
  const rules = nftables.flatMap(({ rule }) =>
    rule?.comment === `macspoofchk-${containerId}-${ifname}` ? [rule] : [],
  )
  const chains = nftables.flatMap(({ chain }) => (chain === undefined ? [] : [chain.name]))
  const present = names.filter(name => chains.includes(name))
  return [
    ...rules.map(
      ({ chain, handle }) => `delete rule ${REFERENCE_TABLE} ${chain} handle ${handle}\n`,
    ),
    // Rules that lead from one to the other go first.
    ...present.map(name => `flush chain ${REFERENCE_TABLE} ${name}\n`),
    ...present.map(name => `delete chain ${REFERENCE_TABLE} ${name}\n`),
  ].join('')
}

type Item = {
  readonly chain?: { readonly name: string }
  readonly rule?: { readonly chain: string; readonly handle: number; readonly comment?: string }
}
