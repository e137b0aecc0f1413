import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { type Attachment } from '../../attachment.ts'
import type { PortmapConfig } from '../config.ts'
import type { FamilyPlan } from '../plan.ts'
import {
  attachmentChain,
  chainsMarked,
  type Jump,
  jumps,
  referenceChain,
  renderAdd,
  renderRemoval,
  sharedChains,
} from './render.ts'

/** How long iptables may wait for others that hold its lock, in seconds. */
const LOCK_WAIT = ['-w', '10']

const program = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables')

/** Maps the ports of an attachment, in place of what it had before. @throws {ExecError} */
export async function addIptablesMappings(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  { config, signal }: { readonly config: PortmapConfig; readonly signal: AbortSignal },
): Promise<void> {
  for (const plan of plans) {
    await ensureShared(plan.family, signal)
    const saved = await save(plan.family, signal)
    await restore(plan.family, renderAdd(attachment, plan, { ...config, saved }), signal)
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
    const saved = await save(family, signal)
    const count = (pattern: RegExp) => saved.match(pattern)?.length ?? 0
    const entries = count(new RegExp(`^-A CNI-HOSTPORT-DNAT .* -j ${chain}$`, 'gm'))
    const targets = count(new RegExp(`^-A ${chain} .* -j DNAT `, 'gm'))
    if (entries < mappings.length || targets < mappings.length) {
      missing.push(`chain ${chain} of ${program(family)} lacks rules`)
    }
  }
  return missing
}

/** Is there an iptables that can list its nat table? @throws {ExecError} */
export async function requireIptables(signal: AbortSignal): Promise<void> {
  await exec('iptables', [...LOCK_WAIT, '-t', 'nat', '-S', 'POSTROUTING'], { signal })
}

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
  await exec(program(family), [...LOCK_WAIT, '-t', 'nat', place, ...rule], { signal })
}

/** Did it work? Exit status 1 means that the thing is there already, or is not. */
async function attempt(
  family: IpFamily,
  words: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await exec(program(family), [...LOCK_WAIT, '-t', 'nat', ...words], { signal })
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
    const saved = await save(family, signal).catch(error => {
      // Without the program, or the kernel's support for it, nothing is there.
      const isRefused = error instanceof ExecError && error.exitCode !== undefined
      if (isRefused || isProgramMissing(error)) return ''
      throw error
    })
    const input = renderRemoval(saved, chainsIn(saved))
    if (input !== undefined) await restore(family, input, signal)
  }
}

const save = async (family: IpFamily, signal: AbortSignal): Promise<string> =>
  (await exec(`${program(family)}-save`, ['-t', 'nat'], { signal })).stdout

const restore = (family: IpFamily, input: string, signal: AbortSignal) =>
  exec(`${program(family)}-restore`, ['--noflush', ...LOCK_WAIT], { input, signal })
