import { type Iptables, IptablesError } from '#linux/iptables.ts'
import { Pace } from '#runtime/pace.ts'
import type { Removal } from './chain-removal.ts'
import { parseSaved, type Saved } from './saved.ts'

export type RemovalPlan = {
  /** Of these chains the plan needs no rules. */
  readonly isOurs: (chain: string) => boolean
  readonly plan: (saved: Saved) => Removal
}

/**
 * Removes the chains that a plan names.
 * @throws {IptablesError} also names those that others' rules lead to: they stay, empty.
 */
export async function removeChains(
  programs: Iptables,
  { isOurs, plan }: RemovalPlan,
  signal: AbortSignal,
): Promise<void> {
  const { text, inUse } = plan(await parseSaved(await programs.save(signal), isOurs, new Pace()))
  await programs.restore([text], signal)
  if (inUse.length > 0) {
    const names = inUse.join(', ')
    throw new IptablesError('iptables', `rules of others lead to these chains: ${names}`)
  }
}
