import { ExecError, exec } from '#linux/exec.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import type { Attachment } from '../../attachment.ts'
import {
  LOCK_WAIT,
  programOf,
  requireChain,
  restoreTable,
  saveTable,
  saveTableIfAny,
} from '../../iptables.ts'
import { renderChainRemoval } from '../../iptables-text.ts'
import type { PortmapConfig } from '../config.ts'
import type { FamilyPlan } from '../plan.ts'
import {
  attachmentChain,
  chainsMarked,
  type Jump,
  jumps,
  referenceChain,
  renderAdd,
  sharedChains,
} from './render.ts'

/** Maps the ports of an attachment, in place of what it had before. @throws {ExecError} */
export async function addIptablesMappings(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  { config, signal }: { readonly config: PortmapConfig; readonly signal: AbortSignal },
): Promise<void> {
  for (const plan of plans) {
    await ensureShared(plan.family, signal)
    const saved = await saveTable('nat', plan.family, signal)
    await restoreTable(plan.family, renderAdd(attachment, plan, { ...config, saved }), signal)
  }
}

/** Removes the attachment's chains, ours and the reference plugin's. @throws {ExecError} */
export async function removeIptablesMappings(
  attachment: Attachment,
  signal: AbortSignal,
): Promise<void> {
  const chains = [attachmentChain(attachment), referenceChain(attachment)]
  await removeFrom(() => chains, signal)
}

/** Removes the chains of the attachments whose mark `isUnwanted` names. @throws {ExecError} */
export const removeIptablesMarked = (
  isUnwanted: (mark: string) => boolean,
  signal: AbortSignal,
): Promise<void> => removeFrom(saved => chainsMarked(saved, isUnwanted), signal)

/** What of the plans is not in the kernel. @throws {ExecError} */
export async function missingIptablesMappings(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const chain = attachmentChain(attachment)
  const missing: string[] = []
  for (const { family, mappings } of plans) {
    const saved = await saveTable('nat', family, signal)
    const count = (pattern: RegExp) => saved.match(pattern)?.length ?? 0
    const entries = count(new RegExp(`^-A CNI-HOSTPORT-DNAT .* -j ${chain}$`, 'gm'))
    const targets = count(new RegExp(`^-A ${chain} .* -j DNAT `, 'gm'))
    if (entries < mappings.length || targets < mappings.length) {
      missing.push(`chain ${chain} of ${programOf(family)} lacks rules`)
    }
  }
  return missing
}

/** Is there an iptables that can list its nat table? @throws {ExecError} */
export const requireIptables = (signal: AbortSignal): Promise<void> =>
  requireChain('nat', 'POSTROUTING', signal)

async function ensureShared(family: IpFamily, signal: AbortSignal): Promise<void> {
  for (const chain of sharedChains) {
    // Made one by one: what is declared in a restore would be emptied for the others.
    await attempt(family, ['-N', chain], signal)
  }
  for (const jump of jumps) await ensureJump(family, jump, signal)
}

async function ensureJump(
  family: IpFamily,
  { chain, place, words }: Jump,
  signal: AbortSignal,
): Promise<void> {
  const rule = [chain, ...words.split(' ')]
  if (await attempt(family, ['-C', ...rule], signal)) return
  await exec(programOf(family), [...LOCK_WAIT, '-t', 'nat', place, ...rule], { signal })
}

/** Did it work? Exit status 1 means that the thing is there already, or is not. */
async function attempt(
  family: IpFamily,
  words: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await exec(programOf(family), [...LOCK_WAIT, '-t', 'nat', ...words], { signal })
    return true
  } catch (error) {
    if (error instanceof ExecError && error.exitCode === 1) return false
    throw error
  }
}

async function removeFrom(
  chainsIn: (saved: string) => readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const family of ipFamilies) {
    const saved = await saveTableIfAny('nat', family, signal)
    const input = renderChainRemoval(saved, chainsIn(saved))
    if (input !== undefined) await restoreTable(family, input, signal)
  }
}
