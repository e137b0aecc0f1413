import type { NftEvent, NftPlace } from '#linux/nft-events.ts'
import { tables } from './fixed.ts'
import { isOwnChain } from './removal.ts'

/**
 * May rules of ours be lost by this? Anything that happens to chains of ours counts, of the others only that rules go, for
 * the jumps to ours are among them: other programs add rules of their own all the time.
 */
export function isLoss(event: NftEvent, { table, chain }: NftPlace): boolean {
  if (!tables.some(name => name === table)) return false
  if (chain !== undefined && isOwnChain(`${table} ${chain}`)) return true
  return event === 'table deleted' || event === 'chain deleted' || event === 'rule deleted'
}
