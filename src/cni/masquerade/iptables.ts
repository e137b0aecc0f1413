import { exec } from '#linux/exec.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentMark, isMarkedBy } from '../attachment.ts'
import { renderChainRemoval } from '../iptables-text.ts'
import {
  type MasqueradeEntry,
  masqueradeChain,
  parseMasqueradeEntries,
  renderIptablesMasquerade,
} from './iptables-render.ts'
import { outputOf } from './reference.ts'
import { referenceChain } from './reference-render.ts'

/** How long iptables may wait for others that hold its lock, in seconds. */
const LOCK_WAIT = ['-w', '10']

/** What the attachment sends out of its subnets gets the node's address. @throws {ExecError} */
export async function addIptablesMasquerade(
  attachment: Attachment,
  addresses: readonly IpPrefix[],
  signal: AbortSignal,
): Promise<void> {
  for (const family of ipFamilies) {
    const own = addresses.filter(address => address.family === family)
    if (own.length === 0) continue
    const { stdout } = await exec(`${program(family)}-save`, NAT, { signal })
    await restore(family, renderIptablesMasquerade(attachment, own, stdout), signal)
  }
}

/** Removes the attachment's chains, ours and the reference plugin's. @throws {ExecError} */
export async function removeIptablesMasquerade(
  attachment: Attachment,
  signal: AbortSignal,
): Promise<void> {
  const chains = [masqueradeChain(attachment), referenceChain(attachment)]
  await removeChains(() => chains, signal)
}

/** Removes our chains of the attachments whose comment `isUnwanted` names. @throws {ExecError} */
export const removeIptablesMasqueradeWhere = (
  isUnwanted: (comment: string) => boolean,
  signal: AbortSignal,
): Promise<void> =>
  removeChains(saved => {
    const unwanted = parseMasqueradeEntries(saved).filter(({ comment }) => isUnwanted(comment))
    return [...new Set(unwanted.map(({ chain }) => chain))]
  }, signal)

/** The addresses that chains of the attachment masquerade. @throws {ExecError} */
export async function iptablesMasqueradedAddresses(
  attachment: Attachment,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const mark = attachmentMark(attachment)
  const entries = await Promise.all(ipFamilies.map(family => listMasqueradeEntries(family, signal)))
  return entries
    .flat()
    .filter(({ comment }) => isMarkedBy(comment, mark))
    .map(({ address }) => address)
}

/** By which addresses packets get into chains of ours. @throws {ExecError} */
export const listMasqueradeEntries = async (
  family: IpFamily,
  signal: AbortSignal,
): Promise<readonly MasqueradeEntry[]> => parseMasqueradeEntries(await save(family, signal))

async function removeChains(
  chainsIn: (saved: string) => readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const family of ipFamilies) {
    const saved = await save(family, signal)
    const input = renderChainRemoval(saved, chainsIn(saved))
    if (input !== undefined) await restore(family, input, signal)
  }
}

const NAT = ['-t', 'nat']

const program = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables')

/** Nothing where the program or the kernel's part of it is missing. */
const save = (family: IpFamily, signal: AbortSignal): Promise<string> =>
  outputOf(`${program(family)}-save`, NAT, signal)

const restore = (family: IpFamily, input: string, signal: AbortSignal) =>
  exec(`${program(family)}-restore`, ['--noflush', ...LOCK_WAIT], { input, signal })
