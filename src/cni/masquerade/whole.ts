import { ipFamilies } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentMark, isMarkedBy } from '../attachment.ts'
import { countSharedRules, listTable } from '../nft.ts'
import type { MasqueradeBackend } from './apply.ts'
import { listMasqueradeEntries } from './iptables.ts'
import { parseMasqueradeListing } from './listing.ts'
import { MASQUERADE_TABLE, subnetChain } from './render.ts'

/** Is this address of the attachment masqueraded? */
export type IsMasqueraded = (attachment: Attachment, address: IpPrefix) => boolean

/** What the kernel has, listed once: elements, and the rules that make them work. @throws {ExecError} */
export async function listMasqueraded(
  backend: MasqueradeBackend,
  signal: AbortSignal,
): Promise<IsMasqueraded> {
  return backend === 'iptables' ? await listByIptables(signal) : await listByNft(signal)
}

/** Rules of the base chain, and of a subnet's: see renderMasqueradeTable. */
const RULES = { postrouting: 4, subnet: 2 } as const

async function listByNft(signal: AbortSignal): Promise<IsMasqueraded> {
  const listing = await listTable(MASQUERADE_TABLE, signal)
  if (listing === undefined) return () => false
  const rules = countSharedRules(listing)
  const owners = new Map(
    parseMasqueradeListing(listing).map(({ address, comment }) => [address, comment]),
  )
  return (attachment, address) =>
    rules.get('postrouting') === RULES.postrouting &&
    rules.get(subnetChain(address)) === RULES.subnet &&
    isMarkedBy(owners.get(address.address) ?? '', attachmentMark(attachment))
}

async function listByIptables(signal: AbortSignal): Promise<IsMasqueraded> {
  const entries = await Promise.all(ipFamilies.map(family => listMasqueradeEntries(family, signal)))
  const owners = new Map(entries.flat().map(({ address, comment }) => [address, comment]))
  return (attachment, { address }) =>
    isMarkedBy(owners.get(address) ?? '', attachmentMark(attachment))
}
