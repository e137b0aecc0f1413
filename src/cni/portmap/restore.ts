import { attachmentOf } from '../attachment.ts'
import type { LiveAttachment, RestoreContext } from '../spec/plugin.ts'
import { portmapConfigFrom } from './config.ts'
import { missingIptablesMappings } from './iptables/apply.ts'
import { missingMappings, readHostPorts } from './nftables/apply.ts'
import { type FamilyPlan, planMappings } from './plan.ts'

/** The tables of both back ends. */
export const PORTMAP_TABLES: readonly string[] = ['nodeplane_hostport', 'nat']

/** The attachments that have lost mappings. By nftables all are looked up in one listing. */
export async function lostMappings(
  live: readonly LiveAttachment[],
  { signal }: RestoreContext,
): Promise<readonly LiveAttachment[]> {
  const wishes = live
    .map(each => ({ live: each, ...wishOf(each) }))
    .filter(({ plans }) => plans.length > 0)
  const lost: LiveAttachment[] = []
  const byNft = wishes.filter(({ backend }) => backend === 'nftables')
  if (byNft.length > 0) {
    const { broken, things } = await readHostPorts(signal)
    for (const { live: each, plans } of byNft) {
      const isBroken = plans.some(({ family }) => broken.has(family))
      const missing = missingMappings(attachmentOf(each.request), plans, things)
      if (isBroken || missing.length > 0) lost.push(each)
    }
  }
  for (const { live: each, plans } of wishes.filter(({ backend }) => backend === 'iptables')) {
    const missing = await missingIptablesMappings(attachmentOf(each.request), plans, signal)
    if (missing.length > 0) lost.push(each)
  }
  return lost
}

function wishOf({ request, result }: LiveAttachment): {
  readonly backend: string
  readonly plans: readonly FamilyPlan[]
} {
  const config = portmapConfigFrom(request.config)
  return { backend: config.backend, plans: planMappings(config, result, request.ifname) }
}
