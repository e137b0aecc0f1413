import { type IpFamily, ipFamilies } from '#net/ip.ts'
import type { Attachment } from '../attachment.ts'
import { restoreTable, saveTable, saveTableIfAny } from '../iptables.ts'
import { retried } from '../nft.ts'
import type { CniResult } from '../spec/result.ts'
import { addressesIn, type FamilyPlan } from './plan.ts'
import { missingRules, renderAdd, renderRemoval } from './render.ts'

const TABLE = 'filter'

/** Gives an attachment its rules, in place of what it had. @throws {ExecError} */
export async function addFirewallRules(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  signal: AbortSignal,
): Promise<void> {
  for (const plan of plans) {
    await retried(async () => {
      const saved = await saveTable(TABLE, plan.family, signal)
      await restoreTable(plan.family, renderAdd(attachment, plan, saved), signal)
    })
  }
}

/**
 * Removes the rules whose comments `isUnwanted` names, and those that the reference, which writes no comments, made for the
 * addresses of a result. @throws {ExecError}
 */
export async function removeFirewallRules(
  isUnwanted: (comment: string) => boolean,
  result: CniResult | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (const family of ipFamilies) {
    await retried(async () => {
      const saved = await saveTableIfAny(TABLE, family, signal)
      const input = renderRemoval(saved, isUnwanted, addressesIn(result, family))
      if (input !== undefined) await restoreTable(family, input, signal)
    })
  }
}

/** The filter tables as they are: each family's is read once, when it is asked for. @throws {ExecError} */
export function readFilterTables(signal: AbortSignal): (family: IpFamily) => Promise<string> {
  const saved = new Map<IpFamily, Promise<string>>()
  return family => {
    const text = saved.get(family) ?? saveTable(TABLE, family, signal)
    saved.set(family, text)
    return text
  }
}

/** What of the plans is not in the tables; empty: all is. @throws {ExecError} */
export async function missingFirewallRules(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  tableOf: (family: IpFamily) => Promise<string>,
): Promise<readonly string[]> {
  const missing: string[] = []
  for (const plan of plans) {
    missing.push(...missingRules(attachment, plan, await tableOf(plan.family)))
  }
  return missing
}
